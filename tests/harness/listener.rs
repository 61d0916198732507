//! A listener with the filter in it: that of `envoy/envoy.yaml`, changed where a test needs it.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::bootstrap::publish;
use crate::harness::client::CASE;
use crate::harness::document::with;
use crate::harness::host::Host;

const ANY: &str = "type.googleapis.com/google.protobuf";

/// The form in which the filter's configuration arrives.
#[derive(Clone)]
pub(crate) enum Configuration {
    /// Native YAML: a serialized `google.protobuf.Struct`, as Envoy's own users write it.
    Struct(Value),
    /// Text in a `google.protobuf.StringValue`, as Istio and Envoy Gateway send it.
    Text(String),
    /// No configuration at all.
    Absent,
    /// The example's own, with the port of its key server replaced.
    Example,
}

/// A listener with one filter under test.
#[derive(Clone)]
pub(crate) struct Listener {
    name: String,
    configuration: Configuration,
    stop_iteration: Option<bool>,
    normalize_path: bool,
    keeps_request_ids: bool,
    route: Option<[&'static str; 3]>,
    vm_id: Option<&'static str>,
    second: Option<Value>,
    other: Option<Value>,
    before: Vec<Value>,
    behind: Vec<Value>,
    changes: Vec<(&'static str, Value)>,
    port: u16,
    discovered: bool,
    connects: bool,
}

impl Listener {
    /// A listener whose filter has this configuration, as native YAML.
    pub(crate) fn new(name: &str, configuration: Value) -> Self {
        Self::configured(name, Configuration::Struct(configuration))
    }

    /// The same as JSON text.
    pub(crate) fn text(name: &str, configuration: &Value) -> Self {
        Self::configured(name, Configuration::Text(configuration.to_string()))
    }

    /// A listener whose filter has a configuration in this form.
    pub(crate) fn configured(name: &str, configuration: Configuration) -> Self {
        Self {
            name: name.to_owned(),
            configuration,
            stop_iteration: None,
            normalize_path: true,
            keeps_request_ids: false,
            route: None,
            vm_id: None,
            second: None,
            other: None,
            before: Vec::new(),
            behind: Vec::new(),
            changes: Vec::new(),
            port: 0,
            discovered: false,
            connects: false,
        }
    }

    /// Sets `allow_on_headers_stop_iteration`, which otherwise is as in the example.
    pub(crate) fn stop_iteration(mut self, allowed: bool) -> Self {
        self.stop_iteration = Some(allowed);
        self
    }

    /// Gives the filter a space of its own for shared data, and virtual machines of its own.
    pub(crate) fn vm_id(mut self, vm_id: &'static str) -> Self {
        self.vm_id = Some(vm_id);
        self
    }

    /// Lets CONNECT reach the filters, which Envoy else refuses before them.
    pub(crate) fn connects(mut self) -> Self {
        self.connects = true;
        self
    }

    /// Adds a second filter behind the first, with a configuration of its own.
    pub(crate) fn then(mut self, configuration: Value) -> Self {
        self.second = Some(configuration);
        self
    }

    /// Puts a filter of Envoy's right before this one, behind those that stand there.
    pub(crate) fn before(mut self, filter: Value) -> Self {
        self.before.push(filter);
        self
    }

    /// Puts a filter of Envoy's right behind this one.
    pub(crate) fn behind(mut self, filter: Value) -> Self {
        self.behind.push(filter);
        self
    }

    /// Puts another filter of Envoy's in the place of this one.
    pub(crate) fn instead(mut self, filter: Value) -> Self {
        self.other = Some(filter);
        self
    }

    /// Sets a member of the connection manager, at a path of names and indices.
    pub(crate) fn manager(mut self, path: &'static str, value: Value) -> Self {
        self.changes.push((path, value));
        self
    }

    /// Listens on this port, and not on any that is free.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Lets the filter come by itself (ECDS), from a file that Envoy watches.
    pub(crate) fn discovered(mut self) -> Self {
        self.discovered = true;
        self
    }

    /// Keeps the request ids that clients send, which Envoy otherwise replaces.
    pub(crate) fn trusted_request_ids(mut self) -> Self {
        self.keeps_request_ids = true;
        self
    }

    /// Sends requests whose `header` has this value to another cluster.
    pub(crate) fn routed_by(
        mut self,
        header: &'static str,
        value: &'static str,
        cluster: &'static str,
    ) -> Self {
        self.route = Some([header, value, cluster]);
        self
    }

    /// Lets the filter see the path as the client wrote it, which is Envoy's default.
    pub(crate) fn raw_paths(mut self) -> Self {
        self.normalize_path = false;
        self
    }

    /// The example's listener, changed as this one says.
    pub(crate) fn adapt(&self, example: &Value, directory: &Path, module: &str) -> Value {
        let mut listener = example.clone();
        listener["name"] = json!(self.name);
        listener["address"]["socket_address"]["port_value"] = json!(self.port);
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        assert!(
            manager["http_filters"].is_array(),
            "envoy.yaml has a connection manager"
        );
        manager["normalize_path"] = json!(self.normalize_path);
        manager["preserve_external_request_id"] = json!(self.keeps_request_ids);
        // Trailers and upgrades reach the filter only if Envoy is told to forward them.
        manager["http_protocol_options"] = json!({"enable_trailers": true});
        manager["upgrade_configs"] = json!([{"upgrade_type": "websocket"}]);
        if self.connects {
            manager["upgrade_configs"] = json!([{"upgrade_type": "CONNECT"}]);
        }
        manager["access_log"] = json!([access_log(&directory.join("access.log"))]);
        if let Some([header, value, cluster]) = self.route {
            let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
            let matching = json!({
                "prefix": "/",
                "headers": [{"name": header, "string_match": {"exact": value}}],
            });
            let route = json!({"match": matching, "route": {"cluster": cluster}});
            routes.as_array_mut().expect("an array").insert(0, route);
        }
        let filters = manager["http_filters"].as_array_mut();
        let filters = filters.expect("envoy.yaml has filters");
        let is_wasm = |filter: &Value| {
            let kind = filter["typed_config"]["@type"].as_str();
            kind.is_some_and(|kind| kind.contains("wasm"))
        };
        let index = filters.iter().position(is_wasm);
        let index = index.expect("envoy.yaml has a wasm filter");
        let plugin = &mut filters[index]["typed_config"]["config"];
        if let Some(allowed) = self.stop_iteration {
            plugin["allow_on_headers_stop_iteration"] = json!(allowed);
        }
        if let Some(vm_id) = self.vm_id {
            plugin["vm_config"]["vm_id"] = json!(vm_id);
        }
        plugin["vm_config"]["code"] = json!({"local": {"filename": module}});
        self.configuration.put_into(plugin);
        if let Some(second) = &self.second {
            let mut filter = filters[index].clone();
            let plugin = &mut filter["typed_config"]["config"];
            Configuration::Struct(second.clone()).put_into(plugin);
            Host::of_tests().adapt(&mut filter);
            filters.insert(index + 1, filter);
        }
        Host::of_tests().adapt(&mut filters[index]);
        if let Some(other) = &self.other {
            filters[index] = other.clone();
        }
        if self.discovered {
            let path = directory.join("filter.json");
            let source =
                json!({"path_config_source": {"path": path}, "resource_api_version": "V3"});
            let kind = filters[index]["typed_config"]["@type"].clone();
            let name = filters[index]["name"].clone();
            let discovery = json!({"config_source": source, "type_urls": [kind]});
            let by_name = json!({"name": name, "config_discovery": discovery});
            let filter = std::mem::replace(&mut filters[index], by_name);
            publish(&path, "core.v3.TypedExtensionConfig", vec![filter]);
        }
        filters.splice(index + 1..index + 1, self.behind.iter().cloned());
        filters.splice(index..index, self.before.iter().cloned());
        *manager = with(manager.take(), &self.changes);
        listener
    }
}

impl Configuration {
    fn put_into(&self, plugin: &mut Value) {
        let (kind, value) = match self {
            Self::Struct(value) => ("Struct", value.clone()),
            Self::Text(text) => ("StringValue", json!(text)),
            Self::Absent => {
                plugin
                    .as_object_mut()
                    .expect("an object")
                    .remove("configuration");
                return;
            }
            Self::Example => return,
        };
        plugin["configuration"] = json!({"@type": format!("{ANY}.{kind}"), "value": value});
    }
}

/// One line of JSON for each request: what operators can see.
fn access_log(path: &Path) -> Value {
    json!({
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": path,
            "log_format": {"json_format": {
                "case": format!("%REQ({CASE})%"),
                "status": "%RESPONSE_CODE%",
                "request_id": "%REQ(x-request-id)%",
                "details": "%RESPONSE_CODE_DETAILS%",
                "reason": "%FILTER_STATE(wasm.cognito.reason:PLAIN)%",
                "enforced": "%FILTER_STATE(wasm.cognito.enforced:PLAIN)%",
                "sub": "%FILTER_STATE(wasm.cognito.sub:PLAIN)%",
                "client_id": "%FILTER_STATE(wasm.cognito.client_id:PLAIN)%",
                "principal": "%FILTER_STATE(wasm.cognito.principal:PLAIN)%",
                "metadata": "%DYNAMIC_METADATA(cognito)%",
            }},
        },
    })
}
