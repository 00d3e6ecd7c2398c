/* Counting words, and reading from a prompt how many it allows. Pure functions. */

const CHINESE_OR_JAPANESE = /[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]/gu;
const LIMIT = /(?:at most|no more than|up to|not more than|maximum(?: of)?|max\.?|within|under|fewer than|less than)\s+(\d{1,3}(?:,\d{3})+|\d{2,5})\s+words/i;

/** What stands between spaces and holds a letter or a digit; of Chinese and Japanese, each character. As app/markdown.py counts. */
export function countWords(text) {
  const others = text.replace(CHINESE_OR_JAPANESE, " ").split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  return (text.match(CHINESE_OR_JAPANESE) || []).length + others.length;
}

/** The most words that a prompt allows, if it says so. */
export function wordLimit(prompt) {
  const found = LIMIT.exec(prompt);
  return found ? Number(found[1].replaceAll(",", "")) : null;
}
