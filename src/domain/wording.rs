//! What people write, on its way in: checked in one place, whichever way it comes, and kept as it was written.
//!
//! Only control characters are taken out. What is wrong is answered with the field and what it should hold.

use super::{Content, Reject, RejectCode};

const MAX_CLIENT_MESSAGE_ID_BYTES: usize = 128;
const MAX_EXTERNAL_ID_BYTES: usize = 256;
const MAX_FILENAME_BYTES: usize = 255;
const MAX_URL_BYTES: usize = 2048;
const MAX_EMOJI_BYTES: usize = 64;
const MAX_NAME_CHARS: usize = 100;

const MEDIA_URL: &str =
    "an http or https URL or a path, of at most 2048 bytes, without spaces, quotes or angle brackets";

/// Takes out the control characters (C0, DEL, C1) other than newline and tab.
pub fn clean(text: &str) -> Box<str> {
    // C1 starts with C2 in UTF-8; so do some letters, which the slow way keeps.
    if !text.bytes().any(|byte| byte < b' ' || byte == 0x7f || byte == 0xc2) {
        return text.into();
    }
    text.chars().filter(|it| !it.is_control() || matches!(it, '\n' | '\t')).collect::<String>().into()
}

/// The text or caption of a message: at most `limit` bytes.
pub fn text(field: &str, text: &str, limit: usize) -> Result<Box<str>, Reject> {
    if text.len() > limit {
        let message = format!("{field}: {} bytes are too many: expected at most {limit}", text.len());
        return Err(Reject::new(RejectCode::MessageTooLarge, message));
    }
    Ok(clean(text))
}

/// A message says something, or shows something.
pub fn says_something(content: &Content) -> Result<(), Reject> {
    if content.media_url.is_none() && content.text.trim().is_empty() {
        return Err(Reject::field("text", "a string that is not blank, or a media_url"));
    }
    Ok(())
}

pub fn filename(name: &str) -> Result<Box<str>, Reject> {
    if name.len() > MAX_FILENAME_BYTES {
        return Err(Reject::field("filename", "a string of at most 255 bytes"));
    }
    Ok(clean(name))
}

/// The key is compared byte by byte when a message is sent again, so nothing in it is mended.
pub fn client_message_id(id: &str) -> Result<Box<str>, Reject> {
    let fits = (1..=MAX_CLIENT_MESSAGE_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    if fits {
        Ok(id.into())
    } else {
        Err(Reject::field("client_message_id", "a string of 1 to 128 bytes without control characters"))
    }
}

/// What another system calls a message: compared byte by byte, so nothing in it is mended.
pub fn external_id(id: &str) -> Result<Box<str>, Reject> {
    let fits = (1..=MAX_EXTERNAL_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control);
    if fits {
        Ok(id.into())
    } else {
        Err(Reject::field("externalId", "a string of 1 to 256 bytes without control characters"))
    }
}

/// Others put it into their pages as it is: it must neither run code there nor end an attribute.
pub fn media_url(url: &str) -> Result<Box<str>, Reject> {
    let harmless = (1..=MAX_URL_BYTES).contains(&url.len())
        && !url.chars().any(|it| it.is_control() || it.is_whitespace() || "\"'`<>\\".contains(it));
    if harmless && (is_web_address(url) || is_relative(url)) {
        return Ok(url.into());
    }
    Err(Reject::field("media_url", MEDIA_URL))
}

/// A scheme and a host (RFC 3986, section 3).
fn is_web_address(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && !host.is_empty()
        && !host.starts_with(':')
}

/// A path on the page's own host: no scheme, and no host either (RFC 3986, section 4.2).
fn is_relative(url: &str) -> bool {
    let first = url.split(['/', '?', '#']).next().unwrap_or_default();
    !first.contains(':') && !url.starts_with("//")
}

/// An emoji, or the name of one: 1 to 64 bytes, and nothing that would mean something in a page or a URL.
pub fn emoji(emoji: &str) -> Result<Box<str>, Reject> {
    let fits = (1..=MAX_EMOJI_BYTES).contains(&emoji.len())
        && !emoji.chars().any(|it| it.is_control() || it.is_whitespace() || "<>&\"'`\\/?#%".contains(it));
    if fits { Ok(emoji.into()) } else { Err(Reject::field("emoji", "an emoji, of at most 64 bytes")) }
}

/// The name of a room or a person: 1 to 100 characters in one line, blanks around it taken off.
pub fn name(field: &'static str, name: &str) -> Result<Box<str>, Reject> {
    let kept: String = name.chars().filter(|it| !it.is_control()).collect();
    let kept = kept.trim();
    // Counted as it was given, so that nobody need know what is taken off to know what fits.
    if kept.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(Reject::field(field, "a name of 1 to 100 characters"));
    }
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_taken_out_but_for_newline_and_tab() {
        assert_eq!(&*clean("a\0b\u{7}c\r\n\td\u{1b}[31m\u{7f}\u{85}\u{9f}é£"), "abc\n\td[31mé£");
        assert_eq!(&*clean("Olá!\n\t👋"), "Olá!\n\t👋");
    }

    #[test]
    fn links_lead_to_the_web_or_to_the_same_host() {
        for good in
            ["https://a.example/x?y#z", "HTTP://a.example", "http://[::1]:80/", "/files/1", "files/1", "a?b=c:d"]
        {
            assert_eq!(media_url(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "//evil.example/x",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://",
            "https:///x",
            "http://:80",
            "ftp://a/x",
        ] {
            assert!(media_url(bad).is_err(), "{bad}");
        }
        for bad in ["https://a.example/\"x", "https://a.example/ x", "a\\b", "https://a.example/<x"] {
            assert!(media_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_one_line_and_emoji_mean_nothing_in_a_page() {
        assert_eq!(name("name", "  Café \n do Zé ").as_deref(), Ok("Café  do Zé"));
        assert!(name("name", " \t").is_err() && name("name", &"x".repeat(101)).is_err());
        assert!(name("name", &format!("{}\u{7}", "x".repeat(100))).is_err());
        assert!(["👍", "👩🏽‍🚀", ":+1:", "❤️"].into_iter().all(|it| emoji(it).is_ok()));
        assert!(["", "a b", "<b>", "👍/👎", "x\u{7}"].into_iter().all(|it| emoji(it).is_err()));
    }
}
