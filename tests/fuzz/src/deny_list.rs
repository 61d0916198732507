//! A deny list and a token, the list read a second time from the documentation.

use cognito_authorizer::claims::{Claims, TokenUse};
use cognito_authorizer::deny_list::DenyList;
use cognito_authorizer::json;
use cognito_authorizer::time::Timestamp;
use serde_json::Value;

/// An entry: its pool, its kind, its value, and its time if it has one that counts.
type Entry = (String, &'static str, String, Option<f64>);

fn whole(value: &Value) -> Option<f64> {
    let number = value.as_number()?;
    let wide = number.as_u64().map(|number| number as f64);
    let number = wide.or_else(|| number.as_f64())?;
    let fits = wide.is_some() || (0.0..=9_007_199_254_740_992.0).contains(&number);
    (fits && number.fract() == 0.0).then_some(number)
}

fn read(document: &[u8]) -> Option<(f64, Vec<Entry>)> {
    // Refuses names that stand twice, at any level.
    let document = json::value(document).ok()?;
    let document = document.as_object()?;
    let known = |name: &String| ["version", "written_at", "pools"].contains(&name.as_str());
    if !document.keys().all(known) || whole(document.get("version")?)? != 1.0 {
        return None;
    }
    let mut entries = Vec::new();
    for (pool, kinds) in document.get("pools")?.as_object()? {
        for (kind, listed) in kinds.as_object()? {
            let kind = match kind.as_str() {
                "signed_in_before" => "signed_in_before",
                "issued_before" => "issued_before",
                "clients" => "clients",
                "origin_jti" => "origin_jti",
                "jti" => "jti",
                _ => return None,
            };
            let dated = !matches!(kind, "origin_jti" | "jti");
            match listed {
                Value::Object(members) => {
                    for (value, time) in members {
                        let time = Some(whole(time)?).filter(|_| dated);
                        entries.push((pool.clone(), kind, value.clone(), time));
                    }
                }
                Value::Array(ids) if !dated => {
                    for id in ids {
                        entries.push((pool.clone(), kind, id.as_str()?.to_owned(), None));
                    }
                }
                _ => return None,
            }
        }
    }
    Some((whole(document.get("written_at")?)?, entries))
}

/// Whether an entry voids the token: all are looked at, one by one.
fn names(entries: &[Entry], pool: &str, claims: &Claims) -> bool {
    let before = |time: Option<Timestamp>, entry: &Option<f64>| {
        let entry = entry.unwrap_or(f64::MAX);
        // What lies beyond 32 bits is for ever.
        entry >= 4_294_967_294.0 || time.is_none_or(|time| time.seconds() < entry)
    };
    let clients: Vec<_> = match claims.token_use() {
        Some(token_use) => claims.clients(token_use).collect(),
        None => Vec::new(),
    };
    assert!(clients.len() <= 1 || claims.token_use() == Some(TokenUse::Id));
    entries.iter().any(|(of, kind, value, time)| {
        let value = Some(value.as_str());
        of == pool
            && match *kind {
                "signed_in_before" => {
                    claims.subject() == value && before(claims.authenticated_at(), time)
                }
                "issued_before" => claims.subject() == value && before(claims.issued_at(), time),
                "clients" => {
                    clients.iter().any(|client| Some(*client) == value)
                        && before(claims.issued_at(), time)
                }
                "origin_jti" => claims.origin_id() == value,
                _ => claims.token_id() == value,
            }
    })
}

/// A document is read or refused as the model does, names whom the model names, and is the same after
/// another VM has taken it over. The list ends at a NUL, and a token's claims follow.
pub fn deny_list(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == 0);
    let document = parts.next().unwrap();
    let payload = parts.next().unwrap_or_default();
    // Nothing that a stranger writes in its place is taken for more than it is.
    if let Some(list) = DenyList::from_shared(data) {
        assert_eq!(list.shared(), data);
    }
    match (DenyList::parse(document), read(document)) {
        (Ok(list), Some((written_at, entries))) => {
            assert_eq!(list.len(), entries.len());
            assert_eq!(list.revision() as f64, written_at);
            let taken_over = DenyList::from_shared(list.shared()).expect("our own form");
            assert!(taken_over.same_entries(&list));
            let Ok(claims) = Claims::parse(payload) else {
                return;
            };
            let pools = entries.iter().map(|(pool, ..)| pool.as_str());
            for pool in pools.chain(["us-east-1_AbCdEf123", ""]) {
                let expected = names(&entries, pool, &claims);
                assert_eq!(list.names(pool, &claims), expected, "{pool}");
                assert_eq!(taken_over.names(pool, &claims), expected, "{pool}");
            }
        }
        (Err(_), None) => {}
        (found, expected) => panic!("found {found:?}, expected {expected:?}"),
    }
}
