"""Chat templates at random, with the tokenizers that go with them: what published models do, in any combination.

A template is put together from choices: which marks open and close a turn and which of them are tokens, whether it
takes a system message (as a turn, inside the user's turn, not at all), whether it writes the begin token, whether roles
must alternate, whether contents are trimmed, what it does with the thinking of earlier answers, how the model's turn
is opened. A tokenizer is of one of five kinds and its model ends turns with one or several tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from tests.policy.tokenizers_of import byte_level, ids_of, sentence_piece


@dataclass(frozen=True)
class Style:
    """How a template writes turns. `{role}` in `opens` is the role's name as this template calls it."""

    opens: str
    closes: str
    marks: tuple[str, ...]
    system: str
    begin: str
    alternate: bool
    trim: bool
    earlier: str
    prompt: bool
    opened: bool
    assistant: str


@dataclass(frozen=True)
class Case:
    """A tokenizer with its template, the end tokens of its model, and what the template writes after an answer."""

    tokenizer: PreTrainedTokenizerFast
    ends: tuple[int, ...]
    style: Style
    kind: str

    @property
    def takes_system(self) -> bool:
        return self.style.system != "refused"


# Opening and closing of a turn, and which of their words are tokens of the model.
TURNS = (
    ("<|im_start|>{role}\n", "<|im_end|>\n", ("<|im_start|>", "<|im_end|>")),
    ("<|start_header_id|>{role}<|end_header_id|>\n\n", "<|eot_id|>",
     ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")),
    ("<start_of_turn>{role}\n", "<end_of_turn>\n", ("<start_of_turn>", "<end_of_turn>")),
    ("<|{role}|>\n", "<|end|>\n", ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>")),
    ("<|{role}|>", "", ("<|user|>", "<|assistant|>", "<|system|>")),
    ("### {role}:\n", "\n\n", ()),
    ("{role}: ", "</s>\n", ("</s>",)),
)  # fmt: skip


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A tokenizer and a template."""
    opens, closes, marks = draw(st.sampled_from(TURNS))
    style = Style(
        opens,
        closes,
        marks,
        system=draw(st.sampled_from(["turn", "in user", "refused", "turn with default"])),
        begin=draw(st.sampled_from(["none", "bos_token", "text"])),
        alternate=draw(st.booleans()),
        trim=draw(st.booleans()),
        earlier=draw(st.sampled_from(["kept", "thinking dropped"])),
        prompt=draw(st.sampled_from([True, True, True, False])),
        opened=draw(st.booleans()),
        assistant=draw(st.sampled_from(["assistant", "model"])),
    )
    thinking = draw(st.sampled_from(["text", "plain tokens", "special tokens"]))
    kind = draw(st.sampled_from(["bytes", "prepend", "first", "none", "prepend and begins"]))
    special = [*style.marks, *(["<think>", "</think>"] if thinking == "special tokens" else [])]
    if kind == "bytes":
        plain = ["<think>", "</think>"] if thinking == "plain tokens" else []
        own = ["<|endoftext|>", "<s>", *special]
        tokenizer = byte_level(list(dict.fromkeys(own)), plain, "<|endoftext|>", None)
        tokenizer.bos_token = "<s>"
    else:
        dummy, _, begins = kind.partition(" and ")
        own = [word for word in special if word != "</s>"]
        tokenizer = sentence_piece(own, "</s>", None, dummy=dummy, begins=bool(begins))
    tokenizer.chat_template = template(style)
    closing = [word for word in style.marks if word in style.closes]
    both, ours = draw(st.booleans()), draw(st.booleans())
    named = [*closing, str(tokenizer.eos_token)] if both else closing
    if closing and ours:
        tokenizer.eos_token = closing[0]
    return Case(tokenizer, ids_of(tokenizer, *named), style, kind)


def template(style: Style) -> str:
    """The jinja text of a style."""
    begin = {"none": "", "bos_token": "{{ bos_token }}", "text": _literal("<s>")}[style.begin]
    content = "m.content | trim" if style.trim else "m.content"
    earlier = "m.content.split('</think>')[-1]" if style.earlier == "thinking dropped" else "m.content"
    said = f"({earlier}) | trim" if style.trim else earlier
    refuse = "{{ raise_exception('System role not supported') }}"
    closes = _literal(style.closes)
    default = _opening(style, "system") + _literal("You are helpful.") + closes
    first = {
        "refused": f"{{% if messages[0].role == 'system' %}}{refuse}{{% endif %}}",
        "turn": "",
        "turn with default": f"{{% if messages[0].role != 'system' %}}{default}{{% endif %}}",
        "in user": "{% set ns = namespace(said='') %}{% if messages[0].role == 'system' %}"
        "{% set ns.said = messages[0].content + '\\n\\n' %}{% set messages = messages[1:] %}{% endif %}",
    }[style.system]
    order = (
        "{% if (m.role == 'user') != ((loop.index0 + shift) % 2 == 0) and m.role != 'system' %}"
        "{{ raise_exception('roles must alternate') }}{% endif %}"
        if style.alternate
        else ""
    )
    shift = "{% set shift = 1 if messages[0].role == 'system' else 0 %}"
    told = "{{ ns.said }}{% set ns.said = '' %}" if style.system == "in user" else ""
    body = (
        f"{{% for m in messages %}}{order}"
        f"{{% if m.role == 'assistant' %}}{_opening(style, style.assistant)}{{{{ {said} }}}}"
        f"{{% elif m.role == 'user' %}}{_opening(style, 'user')}{told}{{{{ {content} }}}}"
        f"{{% else %}}{_opening(style, 'system')}{{{{ {content} }}}}{{% endif %}}{closes}{{% endfor %}}"
    )
    opened = _literal("<think>\n") if style.opened else ""
    ask = f"{{% if add_generation_prompt %}}{_opening(style, style.assistant)}{opened}{{% endif %}}"
    return begin + first + shift + body + (ask if style.prompt else "")


def _opening(style: Style, role: str) -> str:
    known = role if role != "model" or "{role}|>" not in style.opens else "assistant"
    return _literal(style.opens.replace("{role}", known))


def _literal(text: str) -> str:
    """Text exactly as it is: jinja drops a line end behind a tag."""
    return f"{{{{ {text!r} }}}}" if text else ""
