//! Attempts to get in.

use actix_web::http::header::{HeaderName, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::domain::{OrgId, RejectCode, Role, UserId};

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";
const NOW: Timestamp = Timestamp::from_secs(1_760_110_200);
const USER: &str = "770e8400-e29b-41d4-a716-446655440000";
const ORG: &str = "110e8400-e29b-41d4-a716-446655440000";

fn tokens() -> Tokens {
    Tokens::new(SECRET, Policy::default())
}

/// Good claims, with `changes` on top; `null` takes a claim away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "sub": USER, "organization_id": ORG, "role": "agent", "name": "Ada", "exp": NOW.as_secs() + 600,
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn signed(claims: &Value) -> String {
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(SECRET)).expect("a token")
}

fn refused(token: &str) -> Refusal {
    tokens().verify(token, NOW).expect_err("refused")
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            (0..=chunk.len()).map(move |i| char::from(ALPHABET[(bits >> (18 - 6 * i)) as usize & 63]))
        })
        .collect()
}

#[test]
fn a_good_token_makes_an_identity() {
    let identity = tokens().verify(&signed(&claims(json!({"email": "ada@example.com"}))), NOW).expect("good");
    assert_eq!(identity.user, USER.parse::<UserId>().expect("an id"));
    assert_eq!(identity.organization, Some(ORG.parse::<OrgId>().expect("an id")));
    assert_eq!((identity.role, &*identity.name), (Role::Agent, "Ada"));
    assert_eq!(identity.email.as_deref(), Some("ada@example.com"));
    assert_eq!(identity.expires_at, Some(Timestamp::from_secs(NOW.as_secs() + 600)));
}

#[test]
fn a_minted_token_is_good_until_its_lifetime_and_the_leeway_are_over() {
    let grant = Grant {
        user: USER.parse().expect("an id"),
        organization: None,
        role: Role::Bot,
        name: None,
        audience: None,
        lifetime: std::time::Duration::from_mins(1),
    };
    let token = mint(SECRET, &grant, NOW).expect("a token");
    let identity = tokens().verify(&token, NOW).expect("good");
    assert_eq!((identity.user, identity.organization, identity.role), (grant.user, None, Role::Bot));
    let after = |secs| tokens().verify(&token, Timestamp::from_secs(NOW.as_secs() + secs));
    assert!(after(60 + 29).is_ok());
    assert_eq!(after(60 + 31), Err(Refusal::Expired));
}

#[test]
fn a_token_starts_at_nbf_less_the_leeway() {
    let starting_in = |secs: i64| signed(&claims(json!({"nbf": NOW.as_secs() + secs})));
    assert!(tokens().verify(&starting_in(29), NOW).is_ok());
    assert_eq!(refused(&starting_in(31)), Refusal::NotYetValid);
}

#[test]
fn times_may_be_fractions_but_not_text() {
    assert!(tokens().verify(&signed(&claims(json!({"exp": 1_760_110_800.5, "nbf": 0}))), NOW).is_ok());
    assert!(tokens().verify(&signed(&claims(json!({"exp": u64::MAX}))), NOW).is_ok());
    assert_eq!(refused(&signed(&claims(json!({"exp": -1})))), Refusal::Expired);
    assert_eq!(refused(&signed(&claims(json!({"exp": 1e300})))), Refusal::Claims);
    assert_eq!(refused(&signed(&claims(json!({"exp": "1760110800"})))), Refusal::Claims);
}

#[test]
fn a_token_without_expiry_or_subject_is_refused() {
    assert_eq!(refused(&signed(&claims(json!({"exp": null})))), Refusal::NoExpiry);
    assert_eq!(refused(&signed(&claims(json!({"sub": null})))), Refusal::Claims);
    assert_eq!(refused(&signed(&claims(json!({"sub": ""})))), Refusal::Claims);
}

#[test]
fn claims_of_a_wrong_type_are_refused() {
    for wrong in [
        json!({"sub": 42}),
        json!({"sub": [USER]}),
        json!({"organization_id": "acme"}),
        json!({"organization_id": 7}),
        json!({"role": ["admin"]}),
        json!({"name": {}}),
        json!({"nbf": "soon"}),
        json!({"aud": 5}),
    ] {
        assert_eq!(refused(&signed(&claims(wrong.clone()))), Refusal::Claims, "{wrong}");
    }
    for no_object in [json!([]), json!("admin"), json!(null)] {
        assert_eq!(refused(&signed(&no_object)), Refusal::Claims, "{no_object}");
    }
}

#[test]
fn unsigned_tokens_are_refused() {
    let payload = base64url(claims(json!({"role": "admin"})).to_string().as_bytes());
    for header in [r#"{"alg":"none"}"#, r#"{"alg":"None","typ":"JWT"}"#, r#"{"alg":""}"#, "{}"] {
        let header = base64url(header.as_bytes());
        for token in [format!("{header}.{payload}."), format!("{header}.{payload}"), format!("{header}.{payload}.AA")] {
            assert!(matches!(refused(&token), Refusal::Malformed | Refusal::Algorithm), "{token}");
        }
    }
    let good = signed(&claims(json!({})));
    let unsigned = &good[..=good.rfind('.').expect("three parts")];
    assert_eq!(refused(unsigned), Refusal::Signature);
}

#[test]
fn another_algorithm_is_refused_whatever_key_was_used() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let token = encode(&Header::new(algorithm), &claims(json!({})), &EncodingKey::from_secret(SECRET));
        assert_eq!(refused(&token.expect("a token")), Refusal::Algorithm, "{algorithm:?}");
    }
    for name in ["RS256", "ES256", "PS256", "EdDSA"] {
        let good = signed(&claims(json!({})));
        let header = base64url(format!(r#"{{"typ":"JWT","alg":"{name}"}}"#).as_bytes());
        let confused = format!("{header}{}", &good[good.find('.').expect("three parts")..]);
        assert_eq!(refused(&confused), Refusal::Algorithm, "{name}");
    }
}

#[test]
fn a_header_cannot_bring_its_own_key_or_extensions() {
    let own_key = EncodingKey::from_secret(b"a key that the stranger has chosen himself");
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("../../dev/null".into());
    header.jku = Some("https://evil.example/keys".into());
    let token = encode(&header, &claims(json!({})), &own_key).expect("a token");
    assert_eq!(refused(&token), Refusal::Signature);

    let mut header = Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".into()]);
    let token = encode(&header, &claims(json!({})), &EncodingKey::from_secret(SECRET)).expect("a token");
    assert_eq!(refused(&token), Refusal::Algorithm);
}

#[test]
fn a_payload_under_anothers_signature_is_refused() {
    let good = signed(&claims(json!({})));
    let (header, rest) = good.split_once('.').expect("three parts");
    let signature = rest.split_once('.').expect("three parts").1;
    let admin = base64url(claims(json!({"role": "admin"})).to_string().as_bytes());
    assert_eq!(refused(&format!("{header}.{admin}.{signature}")), Refusal::Signature);
}

#[test]
fn overlong_tokens_are_refused_unread() {
    assert_eq!(refused(&"a".repeat(100 * 1024)), Refusal::TooLong);
    assert_eq!(refused(&signed(&claims(json!({"name": "x".repeat(100 * 1024)})))), Refusal::TooLong);
}

#[test]
fn what_is_no_token_is_malformed() {
    for token in ["", ".", "..", "...", "a.b.c", "a.b.c.d", "\0", "é.é.é", "dev-admin-key", "null", "{}"] {
        assert_eq!(refused(token), Refusal::Malformed, "{token:?}");
    }
    let good = signed(&claims(json!({})));
    for token in [format!("{good}\0"), format!("{good}="), format!("{good}.{good}"), format!(" {good}")] {
        assert!(tokens().verify(&token, NOW).is_err(), "{token:?}");
    }
}

proptest! {
    #[test]
    fn a_changed_byte_anywhere_makes_a_token_bad(at in 0_usize..1_000, with in 0_u8..128) {
        let good = signed(&claims(json!({})));
        let mut bytes = good.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != with);
        bytes[at] = with;
        let changed = String::from_utf8(bytes).expect("ASCII");
        prop_assert!(tokens().verify(&changed, NOW).is_err());
    }
}

#[test]
fn the_audience_counts_only_where_one_is_configured() {
    let strict = Tokens::new(SECRET, Policy { audience: Some("hub".into()), ..Policy::default() });
    let with = |aud: Value| signed(&claims(json!({"aud": aud})));
    for good in [json!("hub"), json!(["other", "hub"])] {
        assert!(strict.verify(&with(good.clone()), NOW).is_ok(), "{good}");
    }
    for bad in [json!("other"), json!([]), json!(null)] {
        assert_eq!(strict.verify(&with(bad.clone()), NOW), Err(Refusal::Audience), "{bad}");
    }
    assert!(tokens().verify(&with(json!("anything")), NOW).is_ok());
    let grant = Grant {
        user: USER.parse().expect("an id"),
        organization: None,
        role: Role::Agent,
        name: None,
        audience: Some("hub"),
        lifetime: std::time::Duration::from_mins(1),
    };
    assert!(strict.verify(&mint(SECRET, &grant, NOW).expect("a token"), NOW).is_ok(), "what is minted for it, too");
}

#[test]
fn a_foreign_subject_is_unique_with_its_issuer() {
    let user = |sub: &str, iss: Option<&str>| {
        tokens().verify(&signed(&claims(json!({"sub": sub, "iss": iss}))), NOW).expect("good").user
    };
    assert_eq!(user("auth0|42", Some("https://a.example")), user("auth0|42", Some("https://a.example")));
    assert_ne!(user("auth0|42", Some("https://a.example")), user("auth0|42", Some("https://b.example")));
    assert_ne!(user("auth0|42", Some("https://a.example")), user("auth0|43", Some("https://a.example")));
    assert_ne!(user("42", None), user("43", None));
    assert_eq!(user(&USER.to_uppercase(), Some("https://a.example")), user(USER, None));
}

#[test]
fn roles_and_organizations_are_filled_in_and_mapped() {
    let home = "220e8400-e29b-41d4-a716-446655440000".parse::<OrgId>().expect("an id");
    let policy = Policy {
        default_organization: Some(home),
        default_role: Role::Agent,
        role_map: [("supervisor".into(), Role::Admin), ("admin".into(), Role::Agent)].into(),
        ..Policy::default()
    };
    let tokens = Tokens::new(SECRET, policy);
    let identity = |changes| tokens.verify(&signed(&claims(changes)), NOW).expect("good");
    assert_eq!(identity(json!({"organization_id": null})).organization, Some(home));
    assert_ne!(identity(json!({})).organization, Some(home));
    assert_eq!(identity(json!({"role": null})).role, Role::Agent);
    assert_eq!(identity(json!({"role": "supervisor"})).role, Role::Admin);
    assert_eq!(identity(json!({"role": "admin"})).role, Role::Agent);
    assert_eq!(identity(json!({"role": "member"})).role, Role::Member);
    assert_eq!(identity(json!({"role": "superuser"})).role, Role::Member);
}

#[test]
fn names_are_cleaned_cut_and_never_empty() {
    let name = |changes| tokens().verify(&signed(&claims(changes)), NOW).expect("good").name;
    assert_eq!(&*name(json!({"name": "A\u{0}d\u{1b}a\n"})), "Ada");
    assert_eq!(name(json!({"name": "é".repeat(1_000)})).chars().count(), 200);
    assert_eq!(&*name(json!({"name": " ", "email": "ada@example.com"})), "ada@example.com");
    assert_eq!(&*name(json!({"name": null})), USER);
}

fn authenticator(dev: bool) -> Authenticator {
    let listed: [&str; 0] = [];
    let options = Options {
        secret: SECRET,
        policy: Policy::default(),
        origins: Origins::new(&listed, dev).expect("origins"),
        proxies: Proxies::new(&["10.0.0.0/8"]).expect("proxies"),
        dev,
    };
    Authenticator::new(options, Arc::new(Metrics::new()))
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a header's value"));
    }
    headers
}

fn knock<'a>(headers: &'a HeaderMap, query: &'a str) -> Knock<'a> {
    Knock { headers, query, peer: [10, 0, 0, 1].into() }
}

#[test]
fn a_token_opens_from_every_place() {
    let token = signed(&claims(json!({})));
    let (bearer, pair) = (format!("Bearer {token}"), format!("bearer, {token}"));
    let door = authenticator(false);
    for (lines, query) in [
        (&[("authorization", bearer.as_bytes())][..], String::new()),
        (&[], format!("token={token}")),
        (&[], format!("x=y&access_token={token}")),
        (&[("sec-websocket-protocol", pair.as_bytes())], String::new()),
    ] {
        let headers = headers(lines);
        assert!(door.admit(&knock(&headers, &query), NOW).is_ok(), "{lines:?} {query}");
    }
}

#[test]
fn a_bad_token_in_front_is_not_overruled_by_a_good_one_behind() {
    let token = signed(&claims(json!({})));
    let door = authenticator(false);
    let headers = headers(&[("authorization", b"Bearer \xff\xfe")]);
    assert_eq!(door.admit(&knock(&headers, &format!("token={token}")), NOW), Err(Refusal::Malformed));
    let none = HeaderMap::new();
    assert_eq!(door.admit(&knock(&none, &format!("token=bad&token={token}")), NOW), Err(Refusal::Malformed));
}

#[test]
fn refusals_are_counted_and_tell_strangers_little() {
    let door = authenticator(false);
    let none = HeaderMap::new();
    let missing = door.admit(&knock(&none, ""), NOW).expect_err("nothing shown");
    let expired = door.verify(&signed(&claims(json!({"exp": 1}))), NOW).expect_err("expired");
    let told = |refusal: Refusal| (refusal.status(), refusal.code(), refusal.message());
    assert_eq!(told(missing), (401, RejectCode::AuthenticationRequired, "Authentication required"));
    assert_eq!(told(expired), (401, RejectCode::InvalidToken, "Authentication required"));
    assert_eq!(told(Refusal::Origin), (403, RejectCode::OriginNotAllowed, "Origin not allowed"));
    assert_eq!(expired.reject().code, RejectCode::TokenExpired);
    let text = door.metrics.render().expect("metrics");
    for reason in ["authentication_required", "token_expired"] {
        assert!(text.contains(&format!("auth_failures_total{{reason=\"{reason}\"}} 1")), "{text}");
    }
}

#[test]
fn the_dev_key_opens_only_in_development() {
    let none = HeaderMap::new();
    let admin = authenticator(true).admit(&knock(&none, "token=dev-admin-key"), NOW).expect("let in");
    assert_eq!((admin.role, admin.organization), (Role::Admin, Some(dev::ORGANIZATION)));
    assert_eq!(authenticator(false).admit(&knock(&none, "token=dev-admin-key"), NOW), Err(Refusal::Malformed));
    for near in ["dev-admin-key%00", "dev-admin-key%20", "DEV-ADMIN-KEY", "dev-admin-ke"] {
        assert!(authenticator(true).admit(&knock(&none, &format!("token={near}")), NOW).is_err(), "{near}");
    }
}

#[test]
fn a_page_of_another_site_is_refused_even_with_a_good_token() {
    let query = format!("token={}", signed(&claims(json!({}))));
    let admitted = |lines: &[(&'static str, &[u8])]| {
        let headers = headers(lines);
        authenticator(false).admit(&knock(&headers, &query), NOW).map(|_| ())
    };
    let host = ("host", &b"hub.example.com"[..]);
    assert_eq!(admitted(&[host]), Ok(()));
    assert_eq!(admitted(&[host, ("origin", b"https://hub.example.com")]), Ok(()));
    for origin in [&b"https://evil.example"[..], b"null", b"", b"https://hub.example.com\xff"] {
        assert_eq!(admitted(&[host, ("origin", origin)]), Err(Refusal::Origin));
    }
    let twice = [host, ("origin", &b"https://hub.example.com"[..]), ("origin", b"https://evil.example")];
    assert_eq!(admitted(&twice), Err(Refusal::Origin));
}

#[test]
fn a_forwarded_host_counts_only_from_a_trusted_proxy() {
    let headers = headers(&[
        ("host", b"hub.internal:8080"),
        ("x-forwarded-host", b"hub.example.com, edge.internal"),
        ("origin", b"https://hub.example.com"),
    ]);
    let door = authenticator(false);
    assert_eq!(door.check_origin(&knock(&headers, "")), Ok(()));
    let stranger = Knock { peer: [203, 0, 113, 9].into(), ..knock(&headers, "") };
    assert_eq!(door.check_origin(&stranger), Err(Refusal::Origin));
}

#[test]
fn an_unreadable_forwarding_line_hides_those_before_it() {
    let address = |lines: &[(&'static str, &[u8])]| {
        let headers = headers(lines);
        authenticator(false).client_address(&knock(&headers, "")).to_string()
    };
    let (good, bad) = (("x-forwarded-for", &b"203.0.113.9"[..]), ("x-forwarded-for", &b"\xff"[..]));
    assert_eq!(address(&[good]), "203.0.113.9");
    assert_eq!(address(&[bad, good]), "203.0.113.9");
    assert_eq!(address(&[good, bad]), "10.0.0.1");
}

#[test]
fn only_who_asks_directly_and_for_this_machine_is_local() {
    let door = authenticator(false);
    let is_local = |peer: [u8; 4], lines: &[(&'static str, &[u8])]| {
        let headers = headers(lines);
        door.is_local(&Knock { peer: peer.into(), ..knock(&headers, "") })
    };
    let here = [127, 0, 0, 1];
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"] {
        assert!(is_local(here, &[("host", host.as_bytes())]), "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "localhost:", "", "[::1]x"] {
        assert!(!is_local(here, &[("host", host.as_bytes())]), "{host}");
    }
    assert!(!is_local(here, &[]), "no name at all");
    assert!(!is_local([192, 0, 2, 1], &[("host", b"localhost")]));
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "forwarded",
        "via",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-host",
        "x-original-forwarded-for",
        "fastly-client-ip",
    ] {
        assert!(!is_local(here, &[("host", b"localhost"), (name, b"1.1.1.1")]), "{name}");
    }
}

#[test]
fn keys_and_the_tokens_of_logins_that_have_ended_are_refused_and_counted() {
    let door = authenticator(false);
    let token = signed(&claims(json!({"sid": USER})));
    let identity = door.verify(&token, NOW).expect("good");
    let ended = ports::Ended {
        organization: identity.organization.expect("one"),
        user: identity.user,
        login: identity.login.expect("one"),
    };
    door.directory().end(ended, NOW);
    assert_eq!(door.verify(&token, NOW), Err(Refusal::SessionEnded));
    assert!(door.verify(&signed(&claims(json!({}))), NOW).is_ok(), "a token of no login");
    assert_eq!(door.verify("tk_unknown", NOW), Err(Refusal::UnknownKey));
    for reason in ["session_ended", "key_unknown"] {
        assert_eq!(door.metrics.auth_failures.get_or_create(&ReasonLabel { reason }).get(), 1, "{reason}");
    }
}
