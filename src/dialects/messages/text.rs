//! What people write, on its way out: kept as it was written, and told so that a page may show it.
//!
//! Text is read as HTML and what is left of it is
//! text again: tags, comments, and what stands inside `script` and `style` are gone, and `&`, `<` and `>` are escaped, so
//! that no reading of the result as the text of a page makes an element of it. Quotes stay: they mean nothing there.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// Text that is safe between the tags of a page.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    // Text without these is the same text in HTML.
    if memchr::memchr3(b'<', b'>', b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let plain = Plain { text: RefCell::new(String::with_capacity(text.len() + 16)), hidden: Cell::new(false) };
    let tokenizer = Tokenizer::new(plain, TokenizerOpts::default());
    let input = BufferQueue::default();
    let (markup, rest) = text.split_at(unclosed(text));
    input.push_back(StrTendril::from_slice(markup));
    // The sink never asks for a pause, so one call takes all of the input.
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let Plain { text, hidden } = tokenizer.sink;
    let mut text = text.into_inner();
    if !hidden.get() {
        escape(rest, &mut text);
    }
    Cow::Owned(text)
}

/// Whether `told`, which [`safe`] made of `text`, says something else: whether more was done to it than escaping.
pub(super) fn is_altered(text: &str, told: &str) -> bool {
    if memchr::memchr3(b'<', b'>', b'&', text.as_bytes()).is_none() {
        return false;
    }
    let mut escaped = String::with_capacity(told.len());
    escape(text, &mut escaped);
    told != escaped
}

/// Where the part begins in which no `<` is followed by a `>`: `a <b` compares, and is no markup.
fn unclosed(text: &str) -> usize {
    let bytes = text.as_bytes();
    let after = memchr::memrchr(b'>', bytes).map_or(0, |closed| closed + 1);
    memchr::memchr(b'<', &bytes[after..]).map_or(bytes.len(), |open| after + open)
}

/// Keeps the characters of a page and leaves out its markup. A tree of the page is not needed for that, and making one
/// would multiply what hostile text can cost.
struct Plain {
    text: RefCell<String>,
    /// Inside `script` or `style`.
    hidden: Cell<bool>,
}

impl TokenSink for Plain {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::CharacterTokens(characters) if !self.hidden.get() => {
                escape(&characters, &mut self.text.borrow_mut());
            }
            Token::TagToken(tag) => {
                let raw = match &*tag.name {
                    "script" => Some(RawKind::ScriptData),
                    "style" => Some(RawKind::Rawtext),
                    _ => None,
                };
                // In there the tokenizer knows no other tag than the one that ends it.
                if let (Some(kind), TagKind::StartTag) = (raw, tag.kind) {
                    self.hidden.set(true);
                    return TokenSinkResult::RawData(kind);
                }
                self.hidden.set(false);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn escape(characters: &str, out: &mut String) {
    let mut rest = characters;
    while let Some(at) = memchr::memchr3(b'<', b'>', b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&amp;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_told_as_the_text_of_a_page() {
        for (written, told) in [
            ("Olá! 1 < 2", "Olá! 1 &lt; 2"),
            ("a & b > c", "a &amp; b &gt; c"),
            ("\"quoted\" and 'so'", "\"quoted\" and 'so'"),
            ("tags <b>go</b>, what they hold stays", "tags go, what they hold stays"),
            ("<script>alert(1)</script>Olá", "Olá"),
            ("<ScRiPt src=//evil.example>alert(1)</sCrIpT >Olá", "Olá"),
            ("<style>*{display:none}</style>Olá", "Olá"),
            ("<img src=x onerror=alert(1)>Olá", "Olá"),
            ("<a href='javascript:alert(1)' onclick=alert(1)>Olá</a>", "Olá"),
            ("a<!-- comment -->b", "ab"),
            ("a &lt;b&gt; c", "a &lt;b&gt; c"),
            ("I <3 you", "I &lt;3 you"),
            ("AT&T &copy; &#x41;&amp;lt;", "AT&amp;T © A&amp;lt;"),
            ("a\u{a0}< b", "a\u{a0}&lt; b"),
            ("a <b", "a &lt;b"),
            ("a<b and c<d", "a&lt;b and c&lt;d"),
            ("<b>x</b> a<b", "x a&lt;b"),
            ("<script>x a<b", ""),
            ("a <script>b", "a "),
            ("<script><!-- <script> </script> --> </script>b", "b"),
            ("<style><b></script></style>b</style>", "b"),
            ("</script>b<title>c</title>", "bc"),
        ] {
            assert_eq!(safe(written), told, "{written}");
        }
    }

    #[test]
    fn nothing_that_was_written_becomes_an_element() {
        for written in [
            "<svg onload=alert(1)>",
            "<svg><script>alert(1)</script></svg>",
            "<svg><![CDATA[<img src=x onerror=alert(1)>]]></svg>",
            "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<<script>script>alert(1)<</script>/script>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&#60;img src=x onerror=alert(1)&#62;",
            "&#x3c;script&#x3e;alert(1)",
            "&amp;lt;script&amp;gt;",
            "<iframe src=javascript:alert(1)><b>x</b></iframe>",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<textarea></textarea><img src=x onerror=alert(1)>",
            "<title><img src=x onerror=alert(1)></title>",
            "<plaintext><img src=x onerror=alert(1)>",
            "<xmp><img src=x onerror=alert(1)></xmp>",
            "<template><img src=x onerror=alert(1)></template>",
            "<!--><img src=x onerror=alert(1)>-->",
            "<!DOCTYPE html><?php <img src=x> ?>",
            "<img src=x onerror=alert(1)",
            "<img src=`x` onerror=alert(1)//",
            "<script",
            "</script",
            "<",
            "<\u{0}script>alert(1)</script>",
            "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
            "<table><td><img src=x onerror=alert(1)>",
        ] {
            assert_harmless(written);
        }
    }

    #[test]
    fn only_what_says_something_else_is_altered() {
        let altered = |written: &str| is_altered(written, &safe(written));
        assert!(["Vec<String>", "a <b>b</b>", "&copy; 2026", "&amp;", "<!-- c -->"].into_iter().all(altered));
        assert!(!["", "Olá!", "1 < 2 & 3 > 2", "a && b", "a <b", "\"'`"].into_iter().any(altered));
    }

    fn assert_harmless(written: &str) {
        let told = safe(written);
        assert!(!told.contains(['<', '>']), "{written:?} is told as {told:?}");
        let escapes = ["&amp;", "&lt;", "&gt;"];
        for (at, _) in told.match_indices('&') {
            assert!(escapes.iter().any(|escape| told[at..].starts_with(escape)), "{written:?} is told as {told:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_becomes_an_element(written in r#"([<>&;"'/= a-z!#-]|<script>|</script>|<style>|&lt;|<!--|\PC){0,64}"#) {
            assert_harmless(&written);
        }
    }
}
