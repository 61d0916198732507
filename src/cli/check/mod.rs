//! `check`: everything that is wrong, or unwise, in the files that operators write.
//!
//! What is wrong is asked of the filter's own reader; what is unwise is known here.

mod clusters;
mod conditions;
mod cors;
mod deny_list;
mod envoy;
mod exceptions;
mod finding;
mod human;
mod manifests;
mod place;
mod placeholders;
mod reach;
mod requirements;
mod revocation;
mod sarif;
mod settings;
mod shadows;
mod signing;
mod slow;
mod weak;

use crate::document::{Document, Source, Span};
use crate::explain::clock;
use crate::explain::safe::safe_json;
use crate::locate::{File, Located, Problem, Setting};
use crate::{REFUSED, UNREADABLE};
use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser};
use clusters::Clusters;
use cognito_authorizer::policy::Policy;
use cognito_authorizer::time::Timestamp;
use conditions::Conditions;
use finding::{Code, Finding, Severity};
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Says what is wrong with a configuration, before Envoy does, and what is unwise.
///
/// Reads filter configurations, and bootstraps, listeners, discovery responses and dumps of Envoy,
/// WasmPlugins of Istio, EnvoyExtensionPolicies of Envoy Gateway and ConfigMaps that hold one, in
/// YAML or JSON, and deny lists. What is not the authorizer's is passed over. Files that are given
/// together are looked at together: a key cluster may be in another one.
///
/// A warning that is meant so is silenced by a comment at the end of its line, or on the line
/// before: `# check: allow any-client`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files to check; - for standard input.
    #[arg(required = true, value_name = "CONFIG")]
    files: Vec<PathBuf>,
    /// Warnings are problems, too.
    #[arg(long)]
    deny_warnings: bool,
    /// Leave out warnings of this kind.
    #[arg(long, value_name = "CODE", value_parser = warnings())]
    allow: Vec<String>,
    /// Be content with files in which there is nothing of the authorizer, as a job over a whole
    /// repository may be.
    #[arg(long)]
    if_any: bool,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the lines in question.
    Human,
    /// One JSON object.
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines.
    Sarif,
}

fn warnings() -> PossibleValuesParser {
    let warnings = finding::ALL
        .iter()
        .filter(|code| code.severity == Severity::Warning);
    PossibleValuesParser::new(warnings.map(|code| PossibleValue::new(code.name).help(code.summary)))
}

/// A file, and what there is to say of it, in the order of its lines.
struct Report {
    source: Source,
    configurations: usize,
    deny_lists: usize,
    findings: Vec<Finding>,
}

impl Report {
    const fn new(source: Source, findings: Vec<Finding>) -> Self {
        Self {
            source,
            configurations: 0,
            deny_lists: 0,
            findings,
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let sources = args.files.iter().map(|path| Source::read(path));
    let (reports, unreadable) = look(sources, &args.allow)?;
    let found = |report: &Report| report.configurations.saturating_add(report.deny_lists);
    let found: usize = reports.iter().map(found).sum();
    anyhow::ensure!(
        unreadable || found > 0 || args.if_any,
        "found no configuration of the authorizer in {}",
        names(&reports)
    );
    match args.format {
        Format::Human => human::write(&reports, out)?,
        Format::Json => write_json(&reports, out)?,
        Format::Sarif => sarif::write(&reports, out)?,
    }
    let count = |severity| count(&reports, severity);
    Ok(if unreadable {
        ExitCode::from(UNREADABLE)
    } else if count(Severity::Problem) > 0 || args.deny_warnings && count(Severity::Warning) > 0 {
        ExitCode::from(REFUSED)
    } else {
        ExitCode::SUCCESS
    })
}

/// What there is to say of files that this tool itself has written, for people: whether they have a
/// problem, and all findings, which are none unless the arguments were unwise.
pub(crate) fn of_written(files: &[(String, String)]) -> anyhow::Result<(bool, String)> {
    let sources = files.iter().map(|(name, text)| Ok(Source::new(name, text)));
    let (reports, unreadable) = look(sources, &[])?;
    let problems = count(&reports, Severity::Problem);
    let warnings = count(&reports, Severity::Warning);
    let mut said = Vec::new();
    if problems > 0 || warnings > 0 {
        human::write(&reports, &mut said)?;
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((unreadable || problems > 0, said))
}

/// Looks at files together, and leaves out what is allowed; whether one of them could not be read.
fn look(
    sources: impl Iterator<Item = anyhow::Result<Source>>,
    allow: &[String],
) -> anyhow::Result<(Vec<Report>, bool)> {
    let now = clock()?;
    let mut files = Vec::new();
    let mut reports = Vec::new();
    for source in sources {
        let source = source?;
        match File::new(source.clone()) {
            Ok(file) => {
                reports.push(Report::new(source, Vec::new()));
                files.push(Some(file));
            }
            Err(error) => {
                let finding = Finding {
                    code: &finding::UNREADABLE,
                    path: String::new(),
                    span: error.span,
                    text: error.text,
                    advice: "",
                };
                reports.push(Report::new(source, vec![finding]));
                files.push(None);
            }
        }
    }
    let read = files.iter().enumerate();
    let read = read.filter_map(|(at, file)| Some((at, file.as_ref()?)));
    let mut clusters = Clusters::of(read.clone());
    let cors = cors::Policies::of(read.clone());
    let conditions = Conditions::of(read.clone());
    let located = read.flat_map(|(at, file)| file.located.iter().map(move |one| (at, one)));
    let parsed: Vec<_> = located.map(|(at, one)| (at, one, one.parse())).collect();
    // All before the first is looked at: a key cluster may be in another file.
    let policies = || parsed.iter().filter_map(|(_, _, one)| one.as_ref().ok());
    for policy in policies() {
        clusters.want(policy);
    }
    let limits = policies().filter_map(|policy| Some(policy.deny_list.as_ref()?.max_entries));
    let limit = limits.min();
    for (position, located, parsed) in parsed {
        if let Some(report) = reports.get_mut(position) {
            let findings = of_configuration(located, parsed, &clusters, now);
            report.findings.extend(findings);
        }
    }
    for (position, (file, report)) in files.iter().zip(&mut reports).enumerate() {
        let Some(file) = file else { continue };
        report.configurations = file.located.len();
        if let [document] = file.documents.as_slice()
            && file.located.is_empty()
            && deny_list::is_one(document)
        {
            let findings = deny_list::findings(&report.source, document, limit, now);
            report.deny_lists = 1;
            report.findings.extend(findings);
        }
        report.findings.extend(clusters.findings(position));
        report.findings.extend(cors.findings(position));
        report.findings.extend(conditions.findings(position));
        if !(file.located.is_empty() && report.findings.is_empty()) {
            report.findings.extend(exceptions::unknown(&report.source));
        }
        let kept = |finding: &Finding| !allow.iter().any(|code| code == finding.code.name);
        report.findings.retain(kept);
        report
            .findings
            .retain(|one| !exceptions::silence(&report.source, one));
        report.findings.sort_by_key(|one| one.span.start);
    }
    let unreadable = files.iter().any(Option::is_none);
    Ok((reports, unreadable))
}

fn names(reports: &[Report]) -> String {
    let names: Vec<_> = reports.iter().map(|report| report.source.name()).collect();
    names.join(", ")
}

fn count(reports: &[Report], severity: Severity) -> usize {
    let all = reports.iter().flat_map(|report| &report.findings);
    all.filter(|one| one.code.severity == severity).count()
}

/// What there is to say of one configuration and what carries it.
fn of_configuration(
    located: &Located,
    parsed: Result<Policy, Vec<Problem>>,
    clusters: &Clusters,
    now: Timestamp,
) -> Vec<Finding> {
    let mut notes = Notes {
        document: &located.config,
        findings: Vec::new(),
    };
    match parsed {
        Err(problems) => {
            for problem in problems {
                // A field that there is not: its name is wrong, whatever its value.
                if problem.text.contains("unknown field") {
                    notes.add_at_key(&finding::PROBLEM, &problem.path, problem.text);
                } else {
                    notes.add(&finding::PROBLEM, &problem.path, problem.text);
                }
            }
        }
        Ok(policy) => {
            settings::check(&policy, &mut notes);
            revocation::check(&policy, now, &mut notes);
            placeholders::of_configuration(&policy, &mut notes);
            requirements::check(&policy, &mut notes);
            shadows::check(&policy, &mut notes);
            slow::check(&policy, &mut notes);
            weak::check(&policy, &mut notes);
            clusters::unknown(&policy, located, clusters, &mut notes);
        }
    }
    for (path, span) in &located.config.twice {
        let text = "stands twice in one object, of which Envoy takes the last; expected it once";
        notes.add_at(&finding::PROBLEM, path, *span, text);
    }
    let mut around = Notes {
        document: &located.document,
        findings: notes.findings,
    };
    match &located.setting {
        Setting::Bare => {}
        Setting::Envoy(plugin) => envoy::plugin(plugin, &located.config.value, &mut around),
        Setting::Module(filter) => envoy::around(filter, &located.config.value, &mut around),
        Setting::Istio(spec) => manifests::istio(spec, &mut around),
        Setting::Gateway(wasm) => manifests::gateway(wasm, &mut around),
    }
    around.findings
}

/// Where findings about a document are noted.
struct Notes<'a> {
    document: &'a Document,
    findings: Vec<Finding>,
}

impl Notes<'_> {
    /// Notes a finding about what stands at a path.
    fn add(&mut self, code: &'static Code, path: &str, text: impl Into<String>) {
        let span = self.document.places.at(path);
        self.add_at(code, path, span, text);
    }

    /// Notes a finding about a name.
    fn add_at_key(&mut self, code: &'static Code, path: &str, text: impl Into<String>) {
        let span = self.document.places.key(path);
        self.add_at(code, path, span, text);
    }

    fn add_at(&mut self, code: &'static Code, path: &str, span: Span, text: impl Into<String>) {
        self.findings.push(Finding {
            code,
            path: path.to_owned(),
            span,
            text: text.into(),
            advice: code.help,
        });
    }

    /// Gives the last finding another advice than its code's.
    fn advise(&mut self, advice: &'static str) {
        if let Some(last) = self.findings.last_mut() {
            last.advice = advice;
        }
    }
}

fn write_json(reports: &[Report], out: &mut dyn Write) -> anyhow::Result<()> {
    let findings = reports.iter().flat_map(|report| {
        let name = report.source.name();
        report.findings.iter().map(move |one| one.json(name))
    });
    let files: Vec<_> = reports.iter().map(|report| report.source.name()).collect();
    let report = json!({
        "files": files,
        "findings": findings.collect::<Vec<_>>(),
        "problems": count(reports, Severity::Problem),
        "warnings": count(reports, Severity::Warning),
    });
    writeln!(out, "{}", safe_json(&format!("{report:#}")))?;
    Ok(())
}
