//! The account for people.

use super::delivery::{Cause, Upstream, Verdict};
use super::safe::{cut, safe};
use super::simulation::Lacks;
use super::{Account, State, StepTaken, instant};
use anstyle::{AnsiColor, Style};
use cognito_authorizer::decision::Despite;
use cognito_authorizer::reply::Reply;
use cognito_authorizer::step::Step;
use std::fmt::Write as _;

/// Whether the output may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// It goes to a terminal.
    Colours,
    /// It goes anywhere else, or nobody wants colours.
    Plain,
}

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        match self {
            Self::Colours => format!("{style}{text}{style:#}"),
            Self::Plain => text.to_owned(),
        }
    }

    fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default().bold(), text)
    }

    fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }
}

/// The account as text; every part that others wrote is made harmless.
pub(crate) fn human(account: &Account, paint: Paint) -> String {
    let mut text = String::new();
    // Writing to a string does not fail, here and below.
    let _ = writeln!(text, "{}\n", headline(account));
    steps(&mut text, account, paint);
    match &account.verdict {
        Verdict::Forwarded {
            caller,
            despite,
            upstream,
        } => {
            let who = match *caller {
                "allowed" if account.event.is_some() => "as its authorizer says",
                "allowed" => "in the name of the token",
                _ => "in nobody's name",
            };
            let verdict = match despite {
                None => format!("{} {who}", paint.good("FORWARDED")),
                Some(Despite::Ignored(reason)) => {
                    let word = paint.good("FORWARDED");
                    format!("{word} {who}, its token ignored ({})", reason.code())
                }
                Some(Despite::Reported(reason)) => {
                    let word = paint.bad("NOT ENFORCED");
                    let code = reason.code();
                    format!("{word} {code}: would be refused, goes on {who} (enforce: report)")
                }
            };
            let _ = writeln!(text, "\n{verdict}; the upstream sees");
            delivered(&mut text, account, upstream, paint);
        }
        Verdict::Unknown { lacks, otherwise } => {
            let word = paint.bad("UNKNOWN");
            let hangs_on = hangs_on(*lacks, otherwise);
            let _ = writeln!(text, "\n{word}: forwarded if {hangs_on}");
        }
        Verdict::Refused {
            reason,
            reply,
            unless,
        } => {
            let word = paint.bad("REFUSED");
            let code = reason.code();
            let unless = unless.map_or("", unchecked);
            let _ = writeln!(text, "\n{word} {code}{unless}; the client gets");
            replied(&mut text, reply);
        }
        Verdict::Answered(reply) => {
            let word = paint.good("ANSWERED");
            let _ = writeln!(
                text,
                "\n{word} with the metadata of a protected resource; the client gets"
            );
            replied(&mut text, reply);
        }
    }
    if let (Some(event), Verdict::Unknown { .. }) = (&account.event, &account.verdict) {
        let _ = writeln!(text, "\nThe authorizer is told");
        for line in format!("{event:#}").lines() {
            let _ = writeln!(text, "  {}", safe(line));
        }
    }
    for note in &account.notes {
        let _ = writeln!(text, "\nNote: {}", safe(note));
    }
    text
}

fn replied(text: &mut String, reply: &Reply) {
    let _ = writeln!(text, "  status {}", reply.status);
    for (name, value) in &reply.headers {
        let _ = writeln!(text, "  {}: {}", safe(name), safe(value));
    }
    if !reply.body.is_empty() {
        let _ = writeln!(text, "\n  {}", safe(&reply.body));
    }
}

/// What a request hangs on that is neither forwarded nor refused.
pub(crate) fn hangs_on(lacks: Lacks, unless: &str) -> String {
    let open = [
        (lacks.keys, "the signature is good", "it is not"),
        (
            lacks.deny_list,
            "the token is not on the deny list",
            "it is",
        ),
        (
            lacks.confirmation,
            "the user pool confirms the token",
            "it does not",
        ),
        (
            lacks.answer,
            "the authorizer's answer allows it",
            "it does not",
        ),
    ];
    let open: Vec<_> = open.into_iter().filter(|(lacks, ..)| *lacks).collect();
    let otherwise = match open.as_slice() {
        [(_, _, otherwise)] => otherwise,
        _ => "not",
    };
    let holds: Vec<_> = open.iter().map(|(_, holds, _)| *holds).collect();
    format!("{}, {unless} if {otherwise}", holds.join(" and "))
}

/// What else the request may be refused for.
pub(crate) const fn unchecked(lacks: Lacks) -> &'static str {
    match (lacks.keys, lacks.deny_list) {
        (_, false) => " (or for its signature, which was not checked)",
        (false, true) => " (or for the deny list, which was not looked at)",
        (true, true) => " (or for its signature or the deny list, which were not checked)",
    }
}

fn headline(account: &Account) -> String {
    let [method, authority, path] = &account.request;
    let shown = |part: &Option<String>| {
        let part = part.as_deref().unwrap_or_default();
        safe(&cut(&account.secrets.brief(part)))
    };
    let (method, place) = (
        shown(method),
        format!("{}{}", shown(authority), shown(path)),
    );
    format!("{method} {place} at {}", instant(account.now))
}

/// A line for each step that was taken, and one for all that were not.
pub(crate) fn steps(text: &mut String, account: &Account, paint: Paint) {
    /// The longest name of a step.
    const WIDTH: usize = 9;
    /// What is asked of AWS principals' tokens alone.
    const OF_ACCOUNTS: [Step; 7] = [
        Step::Caller,
        Step::TokenAge,
        Step::Named,
        Step::AccountAudience,
        Step::Account,
        Step::Organization,
        Step::Principal,
    ];
    let of_account = account.steps.iter().any(|step| {
        step.step == Step::Caller && !matches!(step.state, State::NotAsked | State::NotReached)
    });
    /// What is asked under few rules alone: with an authorizer, or with alternatives.
    const OF_FEW: [Step; 4] = [
        Step::Event,
        Step::Identity,
        Step::Authorizer,
        Step::Alternatives,
    ];
    let is_foreign = |step: &StepTaken| {
        !of_account && OF_ACCOUNTS.contains(&step.step) || OF_FEW.contains(&step.step)
    };
    let mut spared: Vec<&str> = Vec::new();
    let mut beyond: Vec<&str> = Vec::new();
    for step in &account.steps {
        let name = step.step.name();
        let word = match step.state {
            State::Passed => paint.good("pass"),
            State::Failed(_) => paint.bad("FAIL"),
            State::NotChecked => paint.faint("  ? "),
            // Most configurations have neither AWS accounts nor authorizers, and their users need not
            // read of them.
            State::NotAsked | State::NotReached if is_foreign(step) => continue,
            State::NotAsked => {
                spared.push(name);
                continue;
            }
            State::NotReached => {
                beyond.push(name);
                continue;
            }
        };
        let unchecked = match step.state {
            State::NotChecked => "not checked: ",
            _ => "",
        };
        let _ = writeln!(
            text,
            "  {word}  {name:WIDTH$}  {unchecked}{}",
            safe(&step.text)
        );
    }
    beyond.dedup();
    for (what, names) in [("not asked", spared), ("not reached", beyond)] {
        if !names.is_empty() {
            let _ = writeln!(
                text,
                "        {}",
                paint.faint(&format!("{what}: {}", names.join(", ")))
            );
        }
    }
}

fn delivered(text: &mut String, account: &Account, upstream: &Upstream, paint: Paint) {
    for (name, value) in &upstream.headers {
        let change = upstream.changes.iter().find(|change| change.name == *name);
        let mark = match change.map(|change| (change.cause, change.sent)) {
            Some((Cause::Claim, false)) => paint.faint("  (set by the filter)"),
            Some((Cause::Claim, true)) => {
                paint.faint("  (set by the filter, in place of the client's own)")
            }
            Some((Cause::Token, _)) => paint.faint("  (the token was taken out)"),
            Some((Cause::Connection, _)) => {
                paint.faint("  (names of the filter's own were taken out)")
            }
            Some(_) | None => String::new(),
        };
        let value = safe(&cut(&account.secrets.brief(value)));
        let _ = writeln!(text, "  {}: {value}{mark}", safe(name));
    }
    let gone = upstream
        .changes
        .iter()
        .filter(|change| change.value.is_none());
    for change in gone {
        let why = match (change.cause, change.sent) {
            (Cause::Claim, true) => "the client's own value was taken off",
            (Cause::Claim, false) => "there is no claim for it",
            (Cause::Token, true) => "the token was taken off",
            (Cause::Alias, true) => "taken off: a server may read it as one of the filter's own",
            (Cause::MethodOverride, true) => "taken off: it could name another method",
            (Cause::HostOverride, true) => "taken off: it could name another host",
            (Cause::PathOverride, true) => "taken off: it could name another path",
            (Cause::Connection, true) => "taken off: it named nothing but the filter's own",
            (_, false) => continue,
        };
        let _ = writeln!(
            text,
            "  {}",
            paint.faint(&format!("no {}: {why}", safe(&change.name)))
        );
    }
}
