//! Which host the tests run the filter in: the Wasm runtime, or with `HOST=native` the dynamic module.
//!
//! Everything else is the same for both. What does not apply to the second stands in
//! `tests/e2e/native.txt`, each test with the reason, and `make test-native` leaves it out.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::process::built;

/// A host of the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Wasm,
    Native,
}

/// The dynamic module: the variable that names it, and where `make native` puts it.
const NATIVE: (&str, &str) = (
    "COGNITO_AUTHORIZER_NATIVE",
    "target/native/libcognito_authorizer.so",
);

impl Host {
    /// The one that `HOST` names.
    #[track_caller]
    pub(crate) fn of_tests() -> Self {
        match std::env::var("HOST").as_deref() {
            Ok("native") => Self::Native,
            Ok("wasm") | Err(_) => Self::Wasm,
            Ok(other) => panic!("HOST={other}; expected wasm or native"),
        }
    }

    /// The name of the log that the filter writes to.
    pub(crate) fn log(self) -> &'static str {
        match self {
            Self::Wasm => "wasm",
            Self::Native => "dynamic_modules",
        }
    }

    /// Waits until Envoy is told what has been counted: by the module within 100 ms, by the dynamic one
    /// every 20 ms.
    ///
    /// A machine that is late for this thread may be late for Envoy's as well: what comes late does not
    /// count, within reason.
    pub(crate) fn settle(self) {
        const STEP: Duration = Duration::from_millis(10);
        const MOST: usize = 200;
        let steps = match self {
            Self::Wasm => 16,
            Self::Native => 6,
        };
        let in_time = (0..MOST).filter(|_| {
            let began = Instant::now();
            thread::sleep(STEP);
            began.elapsed() < 2 * STEP
        });
        in_time.take(steps).for_each(drop);
    }

    /// Where Envoy looks for dynamic modules, if it has to.
    #[track_caller]
    pub(crate) fn search_path(self) -> Option<String> {
        match self {
            Self::Wasm => None,
            Self::Native => {
                let module = built(NATIVE);
                let (folder, _) = module.rsplit_once('/').expect("a folder");
                Some(folder.to_owned())
            }
        }
    }

    /// The filter in this host, which the example has in the Wasm runtime.
    pub(crate) fn adapt(self, filter: &mut Value) {
        if self == Self::Wasm {
            return;
        }
        let configuration = filter["typed_config"]["config"]["configuration"].take();
        let mut module = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {
                "name": "cognito_authorizer",
                "do_not_close": true,
                // As the Wasm runtime names them, so that alerts and dashboards fit both.
                "metrics_namespace": "wasmcustom",
            },
            "filter_name": "cognito_authorizer",
        });
        if !configuration.is_null() {
            module["filter_config"] = configuration;
        }
        filter["typed_config"] = module;
    }
}
