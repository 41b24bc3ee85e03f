//! Log lines: text for people, or one JSON object per line for machines.
//!
//! Lines go to standard error. A line's key-value fields stand beside its message in both formats.

use std::io::{self, Write};

use env_logger::Builder;
use log::LevelFilter;
use log::kv::{self, Key, Value, VisitSource};
use serde_json::Map;

use crate::clock;
use crate::config::{Log, LogFormat};

/// Sets up the process's logger. Only the first call has an effect.
pub fn init(log: &Log) {
    let mut builder = Builder::new();
    // It announces each of its own steps; whoever wants to know says `actix_server=info`.
    builder.filter_module("actix_server", LevelFilter::Warn);
    // It calls every request that makes no sense an error of its own, and strangers can send as many as they like.
    builder.filter_module("actix_http::h1::dispatcher", LevelFilter::Off);
    builder.parse_filters(log.filter.as_str());
    match log.format {
        LogFormat::Text => builder.format_timestamp_millis(),
        LogFormat::Json => builder.format(json),
    };
    // `Err`: there is a logger already, which is then someone else's to choose.
    let _ = builder.try_init();
}

fn json(line: &mut impl Write, record: &log::Record<'_>) -> io::Result<()> {
    let mut fields = Map::new();
    // A field cannot take the place of what every line has: those are put in last.
    let _ = record.key_values().visit(&mut Fields(&mut fields));
    fields.insert("time".into(), clock::now().to_string().into());
    fields.insert("level".into(), record.level().as_str().into());
    fields.insert("target".into(), record.target().into());
    fields.insert("message".into(), record.args().to_string().into());
    serde_json::to_writer(&mut *line, &fields)?;
    line.write_all(b"\n")
}

struct Fields<'a>(&'a mut Map<String, serde_json::Value>);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let json = match (value.to_bool(), value.to_i64(), value.to_u64(), value.to_f64()) {
            (Some(it), ..) => it.into(),
            (_, Some(it), ..) => it.into(),
            (_, _, Some(it), _) => it.into(),
            (_, _, _, Some(it)) => it.into(),
            _ => value.to_string().into(),
        };
        self.0.insert(key.as_str().to_owned(), json);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::{Level, Record};

    use super::*;

    #[test]
    fn a_json_line_is_one_object_whatever_is_in_it() {
        let fields = [("room", Value::from("a \"b\"\n")), ("seq", Value::from(7_u64)), ("level", Value::from("fake"))];
        let mut line = Vec::new();
        json(
            &mut line,
            &Record::builder()
                .args(format_args!("said \"hi\"\nand left"))
                .level(Level::Warn)
                .target("tertulia::hub")
                .key_values(&&fields[..])
                .build(),
        )
        .expect("written");
        let text = String::from_utf8(line).expect("UTF-8");
        assert_eq!(text.lines().count(), 1, "{text}");
        let object: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(object["message"], "said \"hi\"\nand left");
        assert_eq!(object["level"], "WARN");
        assert_eq!(object["room"], "a \"b\"\n");
        assert_eq!(object["seq"], 7);
        assert!(object["time"].as_str().is_some_and(|it| it.ends_with('Z')));
    }
}
