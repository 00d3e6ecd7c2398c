/* The words in which two texts differ, marked where they stand. Works on what is in view: rendered or raw, any script.

   The marks are CSS highlights over ranges: no element is added to a text, so two texts of 2,000 words stay quick and
   whatever else holds on to their nodes goes on working. */

const MARK = "differs";
const words = Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** Words and signs of `text`, without the space between them: {start, end, text, word}. */
function* split(text) {
  if (words) {
    for (const { segment, index, isWordLike } of words.segment(text))
      if (segment.trim()) yield { start: index, end: index + segment.length, text: segment, word: isWordLike };
  } else for (const found of text.matchAll(/[\p{L}\p{M}\p{N}]+|[^\s\p{L}\p{M}\p{N}]/gu))
    yield { start: found.index, end: found.index + found[0].length, text: found[0], word: /[\p{L}\p{N}]/u.test(found[0]) };
}

function tokens(root) {
  const found = [], walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) for (const token of split(walker.currentNode.data)) found.push({ ...token, node: walker.currentNode });
  return found;
}

/** One range for each run of tokens within a text node. */
function ranges(list, from, to) {
  const made = [];
  for (let at = from; at < to; at++) {
    const { node, start, end } = list[at], last = made.at(-1);
    if (last && last.endContainer === node) last.setEnd(node, end);
    else {
      const range = new Range();
      range.setStart(node, start);
      range.setEnd(node, end);
      made.push(range);
    }
  }
  return made;
}

const count = (list, from, to) => list.slice(from, to).filter((token) => token.word).length;

/** Mark two elements; resolves to how many words of each the other lacks, or null where this browser cannot. */
export async function mark(one, other) {
  if (!window.CSS?.highlights) return null;
  const { diff } = await import("../../vendor/fast-myers-diff.js");
  const a = tokens(one), b = tokens(other), numbers = new Map();
  // Whole numbers compare quicker than strings.
  const number = ({ text }) => { if (!numbers.has(text)) numbers.set(text, numbers.size); return numbers.get(text); };
  const highlight = new window.Highlight(), only = [0, 0];
  for (const [fromA, toA, fromB, toB] of diff(Uint32Array.from(a, number), Uint32Array.from(b, number))) {
    for (const range of [...ranges(a, fromA, toA), ...ranges(b, fromB, toB)]) highlight.add(range);
    only[0] += count(a, fromA, toA);
    only[1] += count(b, fromB, toB);
  }
  window.CSS.highlights.set(MARK, highlight);
  return only;
}

export const unmark = () => window.CSS?.highlights?.delete(MARK);
