//! User pools and app clients as they are named on a command line.

use crate::endpoint::Issuer;
use crate::token::issuer;
use clap::ValueEnum;
use cognito_authorizer::pool::UserPool;

/// A user pool, or a replica of one, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) pool: UserPool,
    /// The field of the configuration that says so, and what it says.
    pub(crate) field: &'static str,
    pub(crate) name: String,
}

impl Named {
    /// The pool with this id or ARN.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let parsed = match text.starts_with("arn:") {
            true => UserPool::from_arn(text),
            false => UserPool::new(text),
        };
        let pool = parsed.map_err(|error| error.to_string())?;
        // A replica has no id of its own.
        let (field, name) = match pool.is_replica() {
            true => ("user_pool_arn", text.to_owned()),
            false => ("user_pool_id", pool.id().as_str().to_owned()),
        };
        Ok(Self { pool, field, name })
    }

    /// The pool whose tokens name this issuer.
    pub(crate) fn of_issuer(iss: &str) -> Result<(Self, Issuer), String> {
        use issuer::Issuer as Found;
        let (pool, word) = match Found::of(iss) {
            Found::Pool(pool, word) => (pool, word),
            Found::NearlyPool(..) => {
                return Err(format!("found {iss:?}, {}", Found::of(iss).told()));
            }
            Found::Account | Found::Other => {
                return Err(format!("found {iss:?}; expected the issuer of a user pool"));
            }
        };
        if pool.is_replica() {
            return Err(format!(
                "found the issuer of a replica of {}; expected the replica's ARN, which tells its account, too",
                pool.id().as_str()
            ));
        }
        let issuer = match word {
            "updated" => Issuer::Updated,
            _ => Issuer::Original,
        };
        let named = Self::new(pool.id().as_str())?;
        Ok((named, issuer))
    }
}

/// Which tokens are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TokenUse {
    /// Id tokens, made for the application that asked
    Id,
    /// Access tokens, made for APIs
    Access,
    /// Either
    Any,
}

impl TokenUse {
    /// The word of the configuration.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Access => "access",
            Self::Any => "any",
        }
    }
}

/// The id of an app client.
pub(crate) fn client(text: &str) -> Result<String, String> {
    /// As long as Cognito's own may be.
    const MAX_LENGTH: usize = 128;
    let of_id = |byte: u8| byte.is_ascii_alphanumeric() || b"_+".contains(&byte);
    if text == "any" {
        return Err("found any; expected the id of an app client: whoever can add one to the pool, or use another, would get in".to_owned());
    }
    match text.bytes().all(of_id) && (1..=MAX_LENGTH).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "found {text:?}; expected the id of an app client, such as 1h57kf5cpq17m0eml12example"
        )),
    }
}

/// App clients as they stand in a list of YAML: some ids could be taken for numbers.
pub(crate) fn clients(ids: &[String]) -> String {
    let ids = ids.iter().map(|id| format!("{id:?}"));
    ids.collect::<Vec<_>>().join(", ")
}
