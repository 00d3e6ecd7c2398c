"""Markdown of models and people as HTML. Called by app.pages, which is the only place that marks the result as safe.

Every text here is hostile: no HTML passes, no image is fetched, headings stay below the page's own, and what is left
goes through nh3's allow-list. Links open beside the page, so that no work is lost by following one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

LONGEST = 200_000  # characters; anything longer is shown as plain lines
TOP_HEADING = 3  # the page has h1, a response's letter h2
BLOCKS = {"p", "ol", "ul", "h3", "h4", "h5", "h6", "blockquote", "td", "th"}
TAGS = {"a", "br", "code", "em", "hr", "li", "pre", "s", "span", "strong", "table", "tbody", "thead", "tr"} | BLOCKS

CHINESE_OR_JAPANESE = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿]")


def count_words(text: str) -> int:
    """What stands between spaces and holds a letter or a digit; of Chinese and Japanese, each character."""
    others = CHINESE_OR_JAPANESE.sub(" ", text).split()
    return len(CHINESE_OR_JAPANESE.findall(text)) + sum(any(map(str.isalnum, word)) for word in others)


@lru_cache(maxsize=2048)
def render_markdown(text: str, breaks: bool = True) -> str:
    """Sanitised HTML of `text`; the cache makes showing the same response again free.

    Models break lines on purpose, so a line break is kept; `breaks=False` is for texts wrapped by their authors.
    """
    if len(text) > LONGEST:
        return f'<pre dir="auto">{escape(text)}</pre>'
    html: str = (PARSER if breaks else WRAPPED).render(text)
    return nh3.clean(
        html,
        tags=TAGS,
        attributes={"*": set(), "a": {"href"}, "ol": {"start"}},
        allowed_classes={"span": {"ln"}, "td": {"end", "mid"}, "th": {"end", "mid"}},
        set_tag_attribute_values={"a": {"target": "_blank"}} | {tag: {"dir": "auto"} for tag in BLOCKS},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _lower_headings_and_align_cells(state: StateCore) -> None:
    _lower_headings([token for token in state.tokens if token.type in ("heading_open", "heading_close")])
    for token in state.tokens:
        if token.type in ("td_open", "th_open") and (style := token.attrs.pop("style", None)):
            # The content security policy refuses style attributes; a class says the same.
            place = {"text-align:right": "end", "text-align:center": "mid"}.get(str(style))
            if place:
                token.attrs["class"] = place


def _lower_headings(tokens: list[Token]) -> None:
    """The levels that a text uses, from the page's third on and none left out: readers by ear walk along them."""
    used = sorted({token.tag for token in tokens})
    last = TOP_HEADING - 1
    for token in tokens:
        last = min(6, TOP_HEADING + used.index(token.tag), last + (token.type == "heading_open"))
        token.tag = f"h{last}"


def _code_by_lines(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Each line in its own span, so that a wrapped line can hang and nothing has to scroll sideways."""
    lines = tokens[index].content.removesuffix("\n").split("\n")
    return "<pre><code>" + "".join(f'<span class="ln">{escape(line)}\n</span>' for line in lines) + "</code></pre>\n"


def _parser(breaks: bool) -> MarkdownIt:
    # js-default: CommonMark with tables and strikethrough.
    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "breaks": breaks, "maxNesting": 40})
    parser.disable("image")
    parser.core.ruler.push("tutelage", _lower_headings_and_align_cells)
    parser.add_render_rule("fence", _code_by_lines)
    parser.add_render_rule("code_block", _code_by_lines)
    return parser


PARSER, WRAPPED = _parser(True), _parser(False)
