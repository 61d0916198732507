//! The examples of the standards: RFC 7515 (JWS), RFC 7517 (JWK) and RFC 7519 (JWT).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognito_authorizer::jwks::{InvalidKeySet, KeyKinds, KeySet};
use cognito_authorizer::rs256::{PublicKey, Rs256, Signature};
use cognito_authorizer::token::{KnownHeaders, UntrustedToken};
use jwt_compact::{Algorithm as _, AlgorithmSignature as _};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors/rfc.json")).unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn the_signed_example_is_signed() {
    let example = &vectors()["signed"];
    let number = |name: &str| decoded(example["key"][name].as_str().unwrap());
    let key = PublicKey::new(&number("n"), &number("e")).unwrap();
    let (input, signature) = example["token"].as_str().unwrap().rsplit_once('.').unwrap();
    let signature = Signature::try_from_slice(&decoded(signature)).unwrap();
    let accepts =
        |input: &str| Rs256::module().verify_signature(&signature, &key, input.as_bytes());
    assert!(accepts(input));
    assert!(!accepts(&input.replace("eyJ", "eyI")));
    // Of Cognito it would have a `kid`; then it is a token of the right form.
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"k"}"#);
    let (_, rest) = example["token"].as_str().unwrap().split_once('.').unwrap();
    let named = format!("{header}.{rest}");
    assert!(UntrustedToken::parse(named.as_bytes(), &KnownHeaders::default(), &mut ()).is_ok());
}

#[test]
fn no_example_is_a_token_of_cognitos() {
    let vectors = vectors();
    let examples = vectors["tokens"].as_array().unwrap();
    assert_eq!(examples.len(), 9);
    for example in examples {
        let token = example["token"].as_str().unwrap();
        let refused =
            UntrustedToken::parse(token.as_bytes(), &KnownHeaders::default(), &mut ()).map(|_| ());
        let refused = refused.map_err(|reason| Value::from(reason.code()));
        assert_eq!(
            refused,
            Err(example["refused"].clone()),
            "{}",
            example["where"]
        );
    }
}

#[test]
fn keys_for_other_purposes_are_left_out() {
    for example in vectors()["key_sets"].as_array().unwrap() {
        let usable = example["usable"].as_array().unwrap();
        match KeySet::parse(example["set"].to_string().as_bytes()) {
            Ok(set) => {
                assert_eq!(set.len(), usable.len(), "{}", example["where"]);
                let found = usable
                    .iter()
                    .all(|kid| set.get(kid.as_str().unwrap()).is_some());
                assert!(found, "{}", example["where"]);
            }
            Err(error) => {
                assert_eq!(
                    error,
                    InvalidKeySet::NoUsableKey(KeyKinds::Rsa),
                    "{}",
                    example["where"]
                );
                assert!(usable.is_empty(), "{}", example["where"]);
            }
        }
    }
}
