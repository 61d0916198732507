//! Whether a cluster signs what it sends, as Lambda wants it: Envoy's signing filter among the filters of
//! the cluster, before the one that sends.

use super::envoy::{Node, field, is_true, text};
use super::place::Place;
use cognito_authorizer::remote::call::Endpoint;

/// What the types of these filters end in.
const SIGNS: &str = ".AwsRequestSigning";
const INVOKES: &str = ".aws_lambda.v3.Config";
const SENDS: &str = ".UpstreamCodec";
/// What signatures for Lambda name.
const SERVICE: &str = "lambda";

/// What a cluster does to what is sent through it.
#[derive(Clone, Default)]
pub(super) struct Signing {
    filters: Vec<Filter>,
}

#[derive(Clone)]
struct Filter {
    place: Place,
    does: Does,
}

#[derive(Clone)]
enum Does {
    Sign {
        service: Option<String>,
        region: Option<(Place, String)>,
    },
    /// Signs and invokes a function of its own configuration.
    Invoke,
    Send,
    Other,
}

/// Whether this is a call of Lambda's own API.
pub(super) fn is_invocation(endpoint: &Endpoint) -> bool {
    endpoint.path.starts_with("/2015-03-31/functions/") && endpoint.authority.starts_with("lambda.")
}

impl Signing {
    /// Of a cluster of Envoy's, or of what is merged into one.
    pub(super) fn of(cluster: &Node<'_>, place: &dyn Fn(String) -> Place) -> Self {
        let options = field(cluster, "typed_extension_protocol_options");
        let all = options.map(|options| options.children());
        let lists = all
            .into_iter()
            .flatten()
            .filter_map(|options| field(&options, "http_filters"));
        let filters = lists.flat_map(|list| list.children());
        let filters = filters.filter(|filter| !is_true(filter, "disabled"));
        let filters = filters.map(|filter| {
            let settings = field(&filter, "typed_config");
            let kind = settings.as_ref().and_then(|one| text(one, "@type"));
            let is = |end: &str| kind.is_some_and(|kind| kind.ends_with(end));
            let does = match &settings {
                Some(settings) if is(SIGNS) => Does::Sign {
                    service: text(settings, "service_name").map(str::to_owned),
                    region: field(settings, "region").and_then(|node| {
                        let region = node.value.as_str()?.to_owned();
                        Some((place(node.path), region))
                    }),
                },
                _ if is(INVOKES) => Does::Invoke,
                _ if is(SENDS) => Does::Send,
                _ => Does::Other,
            };
            Filter {
                place: place(filter.path.clone()),
                does,
            }
        });
        Self {
            filters: filters.collect(),
        }
    }

    /// Why Lambda would not take what the cluster of this name sends, and where that stands.
    pub(super) fn problems<'a>(
        &'a self,
        name: &str,
        cluster: &'a Place,
    ) -> Vec<(&'a Place, String)> {
        let signs = |filter: &&Filter| matches!(filter.does, Does::Sign { .. } | Does::Invoke);
        let Some(at) = self.filters.iter().position(|filter| signs(&filter)) else {
            let text = format!("functions are invoked through {name:?}, which does not sign");
            return vec![(cluster, text)];
        };
        let mut problems = Vec::new();
        let sends = |filter: &Filter| matches!(filter.does, Does::Send);
        let (before, after) = self.filters.split_at(at);
        let signing = after.first();
        if let Some(sending) = before.iter().find(|filter| sends(filter)) {
            let text = "upstream_codec sends what was not signed yet; expected it last";
            problems.push((&sending.place, text.to_owned()));
        } else if let (Some(signing), false) = (signing, after.iter().any(sends)) {
            let text = "found no upstream_codec after the filter that signs; Envoy wants it last";
            problems.push((&signing.place, text.to_owned()));
        }
        if let Some(Filter {
            place,
            does: Does::Sign { service, .. },
        }) = signing
            && service.as_deref() != Some(SERVICE)
        {
            let found = service.as_deref().unwrap_or_default();
            let text = format!("found service_name {found:?}; expected {SERVICE:?}");
            problems.push((place, text));
        }
        problems
    }

    /// The region that signatures name.
    pub(super) fn region(&self) -> Option<(&Place, &str, String)> {
        self.filters.iter().find_map(|filter| match &filter.does {
            Does::Sign {
                region: Some((place, region)),
                ..
            } => Some((place, region.as_str(), region.clone())),
            _ => None,
        })
    }
}
