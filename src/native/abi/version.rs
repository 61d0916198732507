//! Whether the module fits the Envoy that loads it.
//!
//! The ABI is young: until its version 1, each minor version promises to fit the next, and no more.
//! Envoy tells a module nothing of its own version, so the module looks at what Envoy has: all that
//! it calls must be there, or it is not loaded.

use crate::raw;
use cognito_authorizer_native::envoy::{Level, tell};
use std::ffi::CStr;

/// A version of the ABI, with a callback that it is the first to have.
struct Version {
    text: &'static CStr,
    mark: &'static CStr,
}

/// Those that the module was tried with, the newest first. Nothing is called that only the newer has.
const KNOWN: [Version; 2] = [
    Version {
        text: c"v0.2.0",
        mark: c"envoy_dynamic_module_callback_log_v2",
    },
    Version {
        text: c"v0.1.0",
        mark: c"envoy_dynamic_module_callback_http_filter_config_http_callout",
    },
];

/// The version that the module claims to be made for, or nothing, if it does not fit.
pub(crate) fn fitting() -> Option<&'static CStr> {
    if let Some(missing) = raw::NAMES.iter().find(|name| !is_there(name)) {
        // Without the log there is nowhere to say it, and Envoy names the module.
        if is_there(c"envoy_dynamic_module_callback_log") {
            tell(
                Level::Error,
                format_args!(
                    "cognito-authorizer: this Envoy does not fit: it has no {}; expected Envoy 1.39 or 1.40",
                    missing.to_string_lossy(),
                ),
            );
        }
        return None;
    }
    let version = KNOWN.iter().find(|version| is_there(version.mark))?;
    tell(
        Level::Info,
        format_args!(
            "cognito-authorizer: native module for the ABI v0.1 and v0.2 of dynamic modules (Envoy 1.39 and 1.40); this Envoy's is at least {}",
            version.text.to_string_lossy(),
        ),
    );
    Some(version.text)
}

fn is_there(name: &CStr) -> bool {
    // SAFETY: a C string, read before the call returns.
    let found = unsafe { raw::dlsym(raw::EVERYWHERE, name.as_ptr()) };
    !found.is_null()
}
