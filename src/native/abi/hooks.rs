//! What Envoy calls.
//!
//! A panic is caught here, told, and ends in a refusal: a request that was being judged is answered
//! with 503 and never goes on, as are all that wait on its thread; a configuration that was being loaded
//! is not taken.
//!
//! What Envoy gets for a filter or a configuration is a counted reference, which is given back when
//! Envoy ends it. Every other hook takes one more for as long as it runs.

use crate::call::Answered;
use crate::configuration::Current;
use crate::log::EnvoyLog;
use crate::raw::{self, Buffer, ConfigurationPointer, FilterPointer, Header, Opaque};
use crate::stream::Request;
use crate::version;
use cognito_authorizer_native::envoy::{Level, log_to, tell};
use cognito_authorizer_native::{Filter, Onward, Plugin};
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A configuration of the filter, with Envoy's pointer to its own.
struct Loaded {
    plugin: Plugin,
    /// Never written again: atomic, so that all threads may hold the reference.
    envoy: AtomicPtr<Opaque>,
}

/// A request's filter, with what it knows of Envoy's.
struct Running {
    filter: Filter,
    request: Rc<Request>,
}

/// Runs a part of the filter. `None` if it has failed.
///
/// Whatever it has left half done is not looked at again but by gates, whose every step begins with a
/// look at all that it depends on.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    let result = catch_unwind(AssertUnwindSafe(run));
    if result.is_err() {
        let line = "cognito-authorizer: panicked; refused what it was about";
        // Nothing is left to do if this fails too.
        let _ = catch_unwind(|| tell(Level::Error, format_args!("{line}")));
    }
    result.ok()
}

impl Running {
    /// Runs a part of the filter. If it has failed, no request waits any longer: whose turn it was,
    /// nobody knows.
    fn guarded<T>(&self, run: impl FnOnce(&Filter) -> T) -> Option<T> {
        let result = guarded(|| run(&self.filter));
        if result.is_none() {
            guarded(|| self.filter.refuse_held());
        }
        result
    }
}

/// The filter behind Envoy's pointer to it, kept alive while it is used.
///
/// # Safety
/// The pointer is one that `filter_new` has returned and `filter_destroy` has not yet got, and this is
/// the filter's thread.
unsafe fn running(filter: *const Opaque) -> Option<Rc<Running>> {
    let filter: *const Running = filter.cast();
    if filter.is_null() {
        return None;
    }
    // SAFETY: `filter_new` has leaked one reference, which is not given back yet.
    unsafe { Rc::increment_strong_count(filter) };
    // SAFETY: this takes the reference that has just been added.
    Some(unsafe { Rc::from_raw(filter) })
}

/// The same of a configuration.
///
/// # Safety
/// The pointer is one that `config_new` has returned and `config_destroy` has not yet got.
unsafe fn loaded(configuration: *const Opaque) -> Option<Arc<Loaded>> {
    let configuration: *const Loaded = configuration.cast();
    if configuration.is_null() {
        return None;
    }
    // SAFETY: `config_new` has leaked one reference, which is not given back yet.
    unsafe { Arc::increment_strong_count(configuration) };
    // SAFETY: this takes the reference that has just been added.
    Some(unsafe { Arc::from_raw(configuration) })
}

/// A slice of Envoy's.
///
/// # Safety
/// So many values lie there, and hold for as long as the slice is used.
unsafe fn slice<'a, T>(ptr: *const T, length: usize) -> &'a [T] {
    if ptr.is_null() || length == 0 {
        return &[];
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { std::slice::from_raw_parts(ptr, length) }
}

/// An answer of Envoy's: where its headers and the chunks of its body lie, and how many there are.
///
/// # Safety
/// They do, and hold for as long as the answer is used.
unsafe fn answered<'a>(
    (headers, headers_length): (*const Header, usize),
    (body, body_length): (*const Buffer, usize),
) -> Answered<'a> {
    // SAFETY: the caller's promise.
    let headers = unsafe { slice(headers, headers_length) };
    // SAFETY: likewise.
    let body = unsafe { slice(body, body_length) };
    Answered { headers, body }
}

/// Called once, when the module has been loaded. Returns the version of the ABI that it is made for, or
/// null if it cannot run here.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn envoy_dynamic_module_on_program_init() -> *const c_char {
    guarded(|| {
        log_to(&EnvoyLog);
        version::fitting()
    })
    .flatten()
    .map_or(null(), std::ffi::CStr::as_ptr)
}

/// Called on the main thread for each configuration of the filter. Null refuses it.
///
/// # Safety
/// The pointer holds until `config_destroy` returns for the configuration; both buffers do until this
/// returns.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_new(
    envoy: ConfigurationPointer,
    _name: Buffer,
    document: Buffer,
) -> *const Opaque {
    let plugin = guarded(|| {
        // SAFETY: by the contract of this hook.
        let document = unsafe { document.copy() };
        // SAFETY: by the contract of this hook; the value does not leave it.
        let current = unsafe { Current::new(envoy) };
        Plugin::load(&document, &current)
    });
    match plugin.flatten() {
        Some(plugin) => {
            let envoy = AtomicPtr::new(envoy);
            Arc::into_raw(Arc::new(Loaded { plugin, envoy })).cast()
        }
        None => null(),
    }
}

/// Called when the last request of a configuration has ended and Envoy drops it.
///
/// # Safety
/// The pointer is one that `config_new` has returned, and comes for the last time.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_destroy(
    configuration: *const Opaque,
) {
    let configuration: *const Loaded = configuration.cast();
    if configuration.is_null() {
        return;
    }
    // SAFETY: takes back the reference that `config_new` has leaked.
    let loaded = unsafe { Arc::from_raw(configuration) };
    guarded(|| {
        // SAFETY: Envoy's object is there until this hook returns.
        let current = unsafe { Current::new(loaded.envoy.load(Ordering::Relaxed)) };
        loaded.plugin.end(&current);
        drop(loaded);
    });
}

/// Called on the main thread after its bell has rung.
///
/// # Safety
/// Both pointers are those of one configuration that lives.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_scheduled(
    envoy: ConfigurationPointer,
    configuration: *const Opaque,
    _event: u64,
) {
    // SAFETY: by the contract of this hook.
    let Some(loaded) = (unsafe { loaded(configuration) }) else {
        return;
    };
    guarded(|| {
        // SAFETY: by the contract of this hook; the value does not leave it.
        let current = unsafe { Current::new(envoy) };
        loaded.plugin.woken(&current);
    });
}

/// Called on the main thread with the answer to a call.
///
/// # Safety
/// Both pointers are those of one configuration that lives; headers and chunks hold until this returns.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_config_http_callout_done(
    envoy: ConfigurationPointer,
    configuration: *const Opaque,
    call: u64,
    result: u32,
    headers: *const Header,
    headers_length: usize,
    body: *const Buffer,
    body_length: usize,
) {
    // SAFETY: by the contract of this hook.
    let Some(loaded) = (unsafe { loaded(configuration) }) else {
        return;
    };
    guarded(|| {
        // SAFETY: by the contract of this hook; the value does not leave it.
        let current = unsafe { Current::new(envoy) };
        // SAFETY: likewise.
        let answered = unsafe { answered((headers, headers_length), (body, body_length)) };
        loaded
            .plugin
            .answered(&current, call, answered.complete(result));
    });
}

/// Called on a worker's thread for each request.
///
/// # Safety
/// The first pointer is that of a configuration that lives; the second holds until `filter_destroy`
/// returns for the filter.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_new(
    configuration: *const Opaque,
    envoy: FilterPointer,
) -> *const Opaque {
    // SAFETY: by the contract of this hook.
    let Some(loaded) = (unsafe { loaded(configuration) }) else {
        return null();
    };
    // SAFETY: by the contract of this hook; `filter_destroy` calls `Request::end`.
    let request = Rc::new(unsafe { Request::new(envoy) });
    let stream = Rc::clone(&request);
    let filter = guarded(|| Filter::new(&loaded.plugin, stream));
    // Without a filter Envoy closes the request.
    filter.map_or(null(), |filter| {
        Rc::into_raw(Rc::new(Running { filter, request })).cast()
    })
}

/// Called when a request has ended.
///
/// # Safety
/// The pointer is one that `filter_new` has returned, and comes for the last time, on its thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_destroy(filter: *const Opaque) {
    let filter: *const Running = filter.cast();
    if filter.is_null() {
        return;
    }
    // SAFETY: takes back the reference that `filter_new` has leaked.
    let running = unsafe { Rc::from_raw(filter) };
    running.request.end();
    guarded(|| {
        running.filter.on_end();
        drop(running);
    });
}

/// Called with a request's headers.
///
/// # Safety
/// The second pointer is that of a filter that lives, and this is its thread.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_headers(
    _envoy: FilterPointer,
    filter: *const Opaque,
    end_of_stream: bool,
) -> u32 {
    // SAFETY: by the contract of this hook.
    let Some(running) = (unsafe { running(filter) }) else {
        return raw::HEADERS_STOP_ALL;
    };
    match running.guarded(|filter| filter.on_headers(end_of_stream)) {
        Some(Onward::Continue) => raw::HEADERS_CONTINUE,
        Some(Onward::Stop) => raw::HEADERS_STOP_ALL,
        None => {
            guarded(|| running.filter.refuse());
            raw::HEADERS_STOP_ALL
        }
    }
}

/// Called with each part of a request's body.
///
/// # Safety
/// As for the headers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_body(
    _envoy: FilterPointer,
    filter: *const Opaque,
    _end_of_stream: bool,
) -> u32 {
    // SAFETY: by the contract of this hook.
    let Some(running) = (unsafe { running(filter) }) else {
        return raw::BODY_STOP;
    };
    match running.filter.on_body() {
        Onward::Continue => raw::BODY_CONTINUE,
        Onward::Stop => raw::BODY_STOP,
    }
}

/// Called with a request's trailers.
///
/// # Safety
/// As for the headers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_request_trailers(
    _envoy: FilterPointer,
    filter: *const Opaque,
) -> u32 {
    // SAFETY: by the contract of this hook.
    let Some(running) = (unsafe { running(filter) }) else {
        return raw::TRAILERS_STOP;
    };
    match guarded(|| running.filter.on_trailers()) {
        Some(Onward::Continue) => raw::TRAILERS_CONTINUE,
        Some(Onward::Stop) | None => raw::TRAILERS_STOP,
    }
}

/// Called on a request's thread after its bell has rung.
///
/// # Safety
/// As for the headers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_scheduled(
    _envoy: FilterPointer,
    filter: *const Opaque,
    _event: u64,
) {
    // SAFETY: by the contract of this hook.
    if let Some(running) = unsafe { running(filter) } {
        running.guarded(Filter::on_woken);
    }
}

/// Called on a request's thread with the answer to a call that was made in its name.
///
/// # Safety
/// As for the headers of the request; those of the answer and its chunks hold until this returns.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn envoy_dynamic_module_on_http_filter_http_callout_done(
    _envoy: FilterPointer,
    filter: *const Opaque,
    call: u64,
    result: u32,
    headers: *const Header,
    headers_length: usize,
    body: *const Buffer,
    body_length: usize,
) {
    // SAFETY: by the contract of this hook.
    let Some(running) = (unsafe { running(filter) }) else {
        return;
    };
    running.guarded(|filter| {
        // SAFETY: by the contract of this hook; the value does not leave it.
        let answered = unsafe { answered((headers, headers_length), (body, body_length)) };
        filter.on_answer(call, answered.complete(result));
    });
}

/// Hooks that Envoy must find, and that have nothing to do: responses go on as they are, and no stream
/// is opened.
macro_rules! idle {
    ($($name:ident($($parameter:ident: $kind:ty),*) $(-> $go_on:literal)?;)*) => {
        $(
            /// Lets it go on.
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($parameter: $kind),*) $(-> idle!(@result $go_on))? {
                $($go_on)?
            }
        )*
    };
    (@result $go_on:literal) => { u32 };
}

idle! {
    envoy_dynamic_module_on_http_filter_response_headers(_envoy: FilterPointer, _filter: *const Opaque, _end_of_stream: bool) -> 0;
    envoy_dynamic_module_on_http_filter_response_body(_envoy: FilterPointer, _filter: *const Opaque, _end_of_stream: bool) -> 0;
    envoy_dynamic_module_on_http_filter_response_trailers(_envoy: FilterPointer, _filter: *const Opaque) -> 0;
    envoy_dynamic_module_on_http_filter_stream_complete(_envoy: FilterPointer, _filter: *const Opaque);
    envoy_dynamic_module_on_http_filter_http_stream_headers(_envoy: FilterPointer, _filter: *const Opaque, _stream: u64, _headers: *const Header, _headers_length: usize, _end_of_stream: bool);
    envoy_dynamic_module_on_http_filter_http_stream_data(_envoy: FilterPointer, _filter: *const Opaque, _stream: u64, _body: *const Buffer, _body_length: usize, _end_of_stream: bool);
    envoy_dynamic_module_on_http_filter_http_stream_trailers(_envoy: FilterPointer, _filter: *const Opaque, _stream: u64, _trailers: *const Header, _trailers_length: usize);
    envoy_dynamic_module_on_http_filter_http_stream_complete(_envoy: FilterPointer, _filter: *const Opaque, _stream: u64);
    envoy_dynamic_module_on_http_filter_http_stream_reset(_envoy: FilterPointer, _filter: *const Opaque, _stream: u64, _reason: u32);
    envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark(_envoy: FilterPointer, _filter: *const Opaque);
    envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark(_envoy: FilterPointer, _filter: *const Opaque);
}
