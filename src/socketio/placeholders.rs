//! Where a packet's attachments belong: `{"_placeholder":true,"num":0}` in its JSON.
//!
//! The text is gone through from left to right, with nothing kept of what encloses an object: one that stands for an
//! attachment holds no other object or array. What is read here has been seen to be JSON before.

/// Whether each placeholder in `json` is for one of `count` attachments, and each of them has one.
pub(super) fn are_right(json: &str, count: usize) -> bool {
    let mut scan = Scan { json: json.as_bytes(), at: 0, named: vec![false; count] };
    scan.run().is_some() && scan.named.iter().all(|it| *it)
}

/// The length of the string that `json` begins with, its quotes included.
pub(super) fn end_of_string(json: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

struct Scan<'a> {
    json: &'a [u8],
    at: usize,
    /// Which attachments have their placeholder.
    named: Vec<bool>,
}

/// The object that was opened last, if nothing was closed since.
#[derive(Clone, Copy, Default)]
struct Object {
    is_placeholder: bool,
    num: Option<usize>,
}

impl<'a> Scan<'a> {
    /// `None` if a placeholder is not as it must be.
    fn run(&mut self) -> Option<()> {
        let mut object: Option<Object> = None;
        while let Some(&byte) = self.json.get(self.at) {
            match byte {
                b'"' => {
                    let text = self.string();
                    if self.skip_colon() {
                        self.member(text, &mut object)?;
                    }
                    continue;
                }
                b'{' | b'[' => {
                    if object.is_some_and(|it| it.is_placeholder) {
                        return None;
                    }
                    object = (byte == b'{').then(Object::default);
                }
                b'}' => {
                    if let Some(Object { is_placeholder: true, num }) = object {
                        *self.named.get_mut(num?)? = true;
                    }
                    object = None;
                }
                b']' => object = None,
                _ => {}
            }
            self.at += 1;
        }
        Some(())
    }

    /// Takes note of a member of an object, at whose value the scan is.
    fn member(&self, key: &[u8], object: &mut Option<Object>) -> Option<()> {
        let value = self.json.get(self.at..)?;
        if says(key, "_placeholder") {
            let is_placeholder = value.starts_with(b"true");
            match object {
                Some(object) => object.is_placeholder = is_placeholder,
                // Beside other objects or arrays.
                None if is_placeholder => return None,
                None => {}
            }
        } else if let Some(object) = object
            && says(key, "num")
        {
            object.num = number(value);
        }
        Some(())
    }

    /// Past the string that begins here, which is returned with its quotes.
    fn string(&mut self) -> &'a [u8] {
        let rest = &self.json[self.at..];
        let text = &rest[..end_of_string(rest)];
        self.at += text.len();
        text
    }

    /// Past a colon and the white space around it, if there is one. True: what came before it is a key.
    fn skip_colon(&mut self) -> bool {
        self.skip_space();
        let is_there = self.json.get(self.at) == Some(&b':');
        if is_there {
            self.at += 1;
            self.skip_space();
        }
        is_there
    }

    fn skip_space(&mut self) {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }
}

/// Whether a string, in its quotes, says `text`, with escapes or without.
pub(super) fn says(string: &[u8], text: &str) -> bool {
    match string {
        [b'"', plain @ .., b'"'] if plain == text.as_bytes() => true,
        _ => string.contains(&b'\\') && serde_json::from_slice::<String>(string).is_ok_and(|it| it == text),
    }
}

/// The number that `value` begins with, if it is a whole one. No more is looked at than its digits: what follows may be
/// long, and hold as many numbers as fit.
fn number(value: &[u8]) -> Option<usize> {
    let end = value.iter().position(|it| !it.is_ascii_digit())?;
    let (digits, after) = (&value[..end], value[end]);
    let is_whole = matches!(after, b',' | b'}') || after.is_ascii_whitespace();
    str::from_utf8(digits).ok().filter(|_| is_whole)?.parse().ok()
}
