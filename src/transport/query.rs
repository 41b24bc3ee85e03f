//! What a query says under a name, for everybody who has to read it the same way: who passes a request on must not take it
//! for another one than who answers it.

use std::borrow::Cow;

use url::form_urlencoded;

/// The value of this name, decoded as the name is. Where a name comes several times, the last one counts.
pub fn last<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).filter(|(it, _)| it == name).last().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts_however_its_name_is_written() {
        assert_eq!(last("a=1&sid=x&b", "sid").as_deref(), Some("x"));
        assert_eq!(last("sid=x&%73id=%79&xsid=z", "sid").as_deref(), Some("y"));
        assert_eq!(last("sid=x&sid=", "sid").as_deref(), Some(""));
        assert_eq!(last("sid=x&sid", "sid").as_deref(), Some(""));
        assert_eq!(last("SID=x&a=sid", "sid"), None);
    }
}
