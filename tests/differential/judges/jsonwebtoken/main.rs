//! What the crate `jsonwebtoken` says about tokens. The first line that it reads is a JSON object
//! (`keys`, `issuer`, `clients`, `skew`); each further one is a token as a JSON string, and gets a
//! line in answer: `accepts`, or `refuses` and why.

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead as _, Write as _, stdin, stdout};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = stdin().lock().lines();
    let setting: Value = serde_json::from_str(&lines.next().ok_or("no setting")??)?;
    let set: JwkSet = serde_json::from_value(setting["keys"].clone())?;
    let mut keys = HashMap::new();
    for jwk in &set.keys {
        let name = jwk.common.key_id.clone().ok_or("a key without a name")?;
        keys.insert(name, DecodingKey::from_jwk(jwk)?);
    }
    let clients: Vec<String> = serde_json::from_value(setting["clients"].clone())?;
    // The strictest that still takes an access token as Cognito makes it, which has no `aud`.
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[setting["issuer"].as_str().ok_or("no issuer")?]);
    validation.set_audience(&clients);
    validation.set_required_spec_claims(&["exp", "iss"]);
    validation.validate_nbf = true;
    validation.leeway = setting["skew"].as_u64().ok_or("no skew")?;
    let mut answers = stdout().lock();
    for line in lines {
        let token: String = serde_json::from_str(&line?)?;
        match judge(&token, &keys, &validation) {
            Ok(()) => writeln!(answers, "accepts")?,
            Err(why) => writeln!(answers, "refuses: {}", why.to_string().replace('\n', " "))?,
        }
        answers.flush()?;
    }
    Ok(())
}

/// As its documentation does it: the header's `kid` chooses the key.
fn judge(
    token: &str,
    keys: &HashMap<String, DecodingKey>,
    validation: &Validation,
) -> Result<(), Box<dyn Error>> {
    let name = decode_header(token)?.kid.ok_or("no kid")?;
    let key = keys.get(&name).ok_or("no such key")?;
    decode::<Value>(token, key, validation)?;
    Ok(())
}
