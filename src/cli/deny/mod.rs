//! `deny`: the list of those who are signed out, as Envoy fetches it.

mod file;
mod list;

use crate::explain::{clock, read_instant};
use anyhow::ensure;
use clap::ArgGroup;
use cognito_authorizer::arn::is_account;
use cognito_authorizer::deny_list::DenyList;
use cognito_authorizer::pool::{UserPool, UserPoolId};
use cognito_authorizer::time::Timestamp;
use file::Replacement;
use list::{Added, Kind, List};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// 2^32 - 2: an entry of a later time would be for all tokens, however late.
const LATEST: f64 = 4_294_967_294.0;

/// Puts a user, a sign-in, a token or an app client on a deny list.
///
/// The file is the document that the filter fetches from `deny_list.uri`. What is on it stays, and no
/// entry becomes weaker; entries that no token can outlive are taken out, and the list is dated anew.
/// Without an entry to add, that is all: a list that grows old stops being believed, so run this on a
/// schedule. A file that the filter would not take is left as it is.
///
///   cognito-authorizer deny deny.json --pool us-east-1_AbCdEf123 \
///       --sub 5f3c2a10-7d1e-4f0b-9b58-0c1d2e3f4a5b
#[derive(clap::Args)]
#[command(verbatim_doc_comment, group = ArgGroup::new("entry").requires("pool"))]
pub(crate) struct Args {
    /// The list; with an entry to add it is made if there is none
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The user pool, by its id or ARN, or the number of an AWS account
    #[arg(long, value_name = "ID", value_parser = Owner::read)]
    pool: Option<Owner>,
    /// A user, by the claim `sub`: everyone who signed in until then signs in again
    #[arg(long, value_name = "ID", group = "entry")]
    sub: Option<String>,
    /// A sign-in and all that came of it, by the claim `origin_jti`
    #[arg(long, value_name = "ID", group = "entry")]
    origin_jti: Option<String>,
    /// A token, by the claim `jti`
    #[arg(long, value_name = "ID", group = "entry")]
    jti: Option<String>,
    /// An app client: tokens that were issued to it until then
    #[arg(long, value_name = "ID", group = "entry")]
    client: Option<String>,
    /// When it happened: RFC 3339, or seconds since 1970; now, if left out. The second in which it
    /// happened is refused, too
    #[arg(long, value_name = "TIME", value_parser = read_instant, requires = "entry")]
    at: Option<Timestamp>,
    /// Tokens of the user that were issued until then, and not all of the sign-in: a refresh brings
    /// new ones. It is what happens to an AWS account's in any case, whose tokens name no sign-in
    #[arg(long, requires = "entry", conflicts_with_all = ["origin_jti", "jti"])]
    issued: bool,
    /// The longest life of a refresh token in days: entries about sign-ins are kept for so long, and
    /// a day more
    #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(u16).range(1..=3650))]
    refresh_days: u16,
}

/// Whose tokens an entry is about.
#[derive(Clone, Debug)]
enum Owner {
    Pool(UserPoolId),
    /// The twelve digits of an AWS account, whose tokens STS makes.
    Account(String),
}

impl Owner {
    fn read(text: &str) -> Result<Self, String> {
        if is_account(text) {
            return Ok(Self::Account(text.to_owned()));
        }
        let pool = match text.starts_with("arn:") {
            true => UserPool::from_arn(text).map(|pool| pool.id().clone()),
            false => UserPoolId::new(text),
        };
        pool.map(Self::Pool)
            .map_err(|error| format!("{error}, or the twelve digits of an AWS account"))
    }

    fn name(&self) -> &str {
        match self {
            Self::Pool(pool) => pool.as_str(),
            Self::Account(number) => number,
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let now = clock()?;
    let entry = Entry::of(args, now)?;
    let replacement = Replacement::of(&args.file)?;
    let name = args.file.display();
    let mut list = match replacement.text() {
        Some(text) => List::read(text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?,
        // Who lost the list must not sign everybody in again by dating an empty one.
        None => {
            ensure!(
                entry.is_some(),
                "{name}: found no such file; expected a list, or an entry to begin one with"
            );
            List::default()
        }
    };
    let ahead = list.written_at().seconds() - now.seconds();
    ensure!(
        ahead <= DenyList::MAX_AHEAD.as_secs_f64(),
        "{name}: found a list that was written at {}, more than 5 minutes ahead of this machine's clock; every filter refuses it, and none takes one that is older than what it has: look at the clocks",
        list.written_at().utc()
    );
    let mut said = String::new();
    if let Some(Entry {
        owner,
        kind,
        id,
        at,
    }) = &entry
    {
        let doubt = doubt(owner, *kind, id);
        if let Some(doubt) = doubt {
            // If even this cannot be written, the entry is still worth having.
            let _ = writeln!(std::io::stderr(), "warning: {id}: {doubt}");
        }
        let (name, member) = (owner.name(), kind.name());
        let added = list.add(name, *kind, id, *at);
        let text = match added {
            Added::Since(time) => format!("is {}", time.utc()),
            Added::Kept(time) => format!("stays {}, which is later", time.utc()),
            Added::Undated => "is on the list, without a time".to_owned(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(said, "{member} of {id} in {name} {text}");
    }
    let pruned = list.prune(now, args.refresh_days);
    // A list without it is not written either: if there was no file, it would be an empty one.
    if let Some(lost) = entry.filter(|entry| !list.has(entry.owner.name(), entry.kind, entry.id)) {
        let (owner, member) = (lost.owner.name(), lost.kind.name());
        let (id, at) = (lost.id, lost.at.utc());
        let text = format!(
            "{member} of {id} in {owner} is not on the list, which stays as it was: no token of {at} can still be alive; leave --at out to revoke now"
        );
        writeln!(out, "{}", crate::explain::safe::safe(&text))?;
        return Ok(ExitCode::from(crate::REFUSED));
    }
    list.date(now);
    let text = list
        .write()
        .map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    replacement.write(&text)?;
    let (entries, written) = (list.len(), list.written_at().utc());
    let _ = writeln!(
        said,
        "{entries} on the list, {pruned} taken out, written at {written}"
    );
    for line in said.lines() {
        writeln!(out, "{}", crate::explain::safe::safe(line))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be added.
struct Entry<'a> {
    owner: &'a Owner,
    kind: Kind,
    id: &'a str,
    at: Timestamp,
}

impl<'a> Entry<'a> {
    fn of(args: &'a Args, now: Timestamp) -> anyhow::Result<Option<Self>> {
        let Some(owner) = &args.pool else {
            return Ok(None);
        };
        let is_account = matches!(owner, Owner::Account(_));
        let user = match args.issued || is_account {
            // AWS's tokens say nothing of a sign-in.
            true => Kind::IssuedBefore,
            false => Kind::SignedInBefore,
        };
        let ids = [
            (user, &args.sub),
            (Kind::OriginJti, &args.origin_jti),
            (Kind::Jti, &args.jti),
            (Kind::Client, &args.client),
        ];
        let given = ids
            .into_iter()
            .find_map(|(kind, id)| Some((kind, id.as_deref()?)));
        let Some((kind, id)) = given else {
            return Ok(None);
        };
        ensure!(
            !id.is_empty(),
            "found an empty id; expected that of a claim"
        );
        ensure!(
            !is_account || kind != Kind::OriginJti,
            "found --origin-jti with an AWS account, whose tokens have none; expected --sub or --jti"
        );
        ensure!(
            !is_account || kind != Kind::Client,
            "found --client with an AWS account, whose tokens are for no app client; expected --sub or --jti"
        );
        let at = args.at.unwrap_or(now);
        ensure!(
            at.seconds() < LATEST,
            "found {} in --at; expected a time before 2106, and not in milliseconds",
            at.seconds()
        );
        Ok(Some(Self {
            owner,
            kind,
            id,
            at,
        }))
    }
}

/// Why an id may be on the list for nothing.
fn doubt(owner: &Owner, kind: Kind, id: &str) -> Option<&'static str> {
    let is_user = matches!(kind, Kind::SignedInBefore | Kind::IssuedBefore);
    match owner {
        Owner::Pool(_) if is_user && id.contains('@') => {
            Some("this looks like an e-mail address; expected the claim `sub` of the user's tokens")
        }
        Owner::Account(_) if is_user && !id.contains(":iam::") => Some(
            "this is no ARN of an IAM role or user; expected the claim `sub` of its tokens, such as arn:aws:iam::123456789012:role/billing",
        ),
        Owner::Pool(_) | Owner::Account(_) => None,
    }
}
