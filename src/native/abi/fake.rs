//! An Envoy for tests: the callbacks of the ABI over plain values, so that the hooks can be run without
//! one.

use crate::hooks::*;
use crate::raw::{Buffer, ConfigurationPointer, FilterPointer, Header, Opaque, SchedulerPointer};
use std::cell::{Cell, RefCell};
use std::ptr::null;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A reply's status, body and details.
type Reply = (u32, Vec<u8>, Vec<u8>);

/// One request in it.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) headers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) trailers: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) replies: RefCell<Vec<Reply>>,
    /// Calls that were made in its name.
    pub(crate) calls: RefCell<Vec<String>>,
    pub(crate) state: RefCell<Vec<(Vec<u8>, Vec<u8>)>>,
    pub(crate) went_on: Cell<bool>,
    pub(crate) was_reset: Cell<bool>,
    /// Whether a reply ends the request before it returns.
    pub(crate) ends_at_once: Cell<bool>,
    filter: Cell<Option<*const Opaque>>,
}

/// One configuration in it.
#[derive(Default)]
pub(crate) struct Configuration {
    pub(crate) metrics: RefCell<Vec<(String, i64)>>,
    pub(crate) calls: RefCell<Vec<String>>,
    pub(crate) module: Cell<Option<*const Opaque>>,
}

/// How many schedulers there are.
pub(crate) static SCHEDULERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

/// Has the filter fail when it next reads a header.
pub(crate) fn fail() {
    FAILS.set(true);
}

/// Fails where a test wants it.
pub(crate) fn fail_if_wanted() {
    assert!(!FAILS.take(), "as the test wants it");
}

impl Stream {
    /// Shared, as a host's objects are: Envoy has a pointer to it as well.
    pub(crate) fn new(headers: &[(&str, &[u8])]) -> Rc<Self> {
        let stream = Self::default();
        for (name, value) in headers {
            let header = (name.as_bytes().to_vec(), value.to_vec());
            stream.headers.borrow_mut().push(header);
        }
        Rc::new(stream)
    }

    pub(crate) fn pointer(&self) -> FilterPointer {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Begins the request, and shows its headers to the filter.
    pub(crate) fn begin(&self, configuration: &Configuration) -> u32 {
        let module = configuration.module.get().unwrap_or(null());
        // SAFETY: of a configuration and a request that live.
        let filter = unsafe { envoy_dynamic_module_on_http_filter_new(module, self.pointer()) };
        assert!(!filter.is_null());
        self.filter.set(Some(filter));
        // SAFETY: the filter has just begun.
        unsafe { envoy_dynamic_module_on_http_filter_request_headers(self.pointer(), filter, true) }
    }

    pub(crate) fn wake(&self) {
        let filter = self.filter.get().unwrap_or(null());
        // SAFETY: the filter lives, or is null.
        unsafe { envoy_dynamic_module_on_http_filter_scheduled(self.pointer(), filter, 0) };
    }

    /// Answers a call that was made in its name.
    pub(crate) fn answer(&self, call: u64, result: u32, headers: &[(&str, &str)], body: &[&[u8]]) {
        let filter = self.filter.get().unwrap_or(null());
        let (headers, body) = response(headers, body);
        // SAFETY: the filter lives, or is null; the rest does until the call returns.
        unsafe {
            envoy_dynamic_module_on_http_filter_http_callout_done(
                self.pointer(),
                filter,
                call,
                result,
                headers.as_ptr(),
                headers.len(),
                body.as_ptr(),
                body.len(),
            );
        }
    }

    pub(crate) fn show_trailers(&self) -> u32 {
        let filter = self.filter.get().unwrap_or(null());
        // SAFETY: the filter lives, or is null.
        unsafe { envoy_dynamic_module_on_http_filter_request_trailers(self.pointer(), filter) }
    }

    pub(crate) fn end(&self) {
        if let Some(filter) = self.filter.take() {
            // SAFETY: comes for the last time.
            unsafe { envoy_dynamic_module_on_http_filter_destroy(filter) };
        }
    }

    fn part(&self, kind: u32) -> &RefCell<Vec<(Vec<u8>, Vec<u8>)>> {
        match kind {
            crate::raw::REQUEST_HEADERS => &self.headers,
            _ => &self.trailers,
        }
    }
}

impl Configuration {
    /// Loads a document; `None` if it is refused.
    pub(crate) fn load(document: &str) -> Option<Rc<Self>> {
        let configuration = Rc::new(Self::default());
        let envoy = configuration.pointer();
        let document = Buffer::of(document.as_bytes());
        // SAFETY: both live until the call returns, and the configuration until `end`.
        let module = unsafe {
            envoy_dynamic_module_on_http_filter_config_new(envoy, Buffer::NONE, document)
        };
        configuration
            .module
            .set((!module.is_null()).then_some(module));
        configuration
            .module
            .get()
            .is_some()
            .then_some(configuration)
    }

    fn pointer(&self) -> ConfigurationPointer {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    pub(crate) fn wake(&self) {
        let module = self.module.get().unwrap_or(null());
        // SAFETY: of one configuration that lives.
        unsafe { envoy_dynamic_module_on_http_filter_config_scheduled(self.pointer(), module, 0) };
    }

    /// Answers a call.
    pub(crate) fn answer(&self, call: u64, result: u32, headers: &[(&str, &str)], body: &[&[u8]]) {
        let module = self.module.get().unwrap_or(null());
        let (headers, body) = response(headers, body);
        // SAFETY: of one configuration that lives; the rest does until the call returns.
        unsafe {
            envoy_dynamic_module_on_http_filter_config_http_callout_done(
                self.pointer(),
                module,
                call,
                result,
                headers.as_ptr(),
                headers.len(),
                body.as_ptr(),
                body.len(),
            );
        }
    }

    pub(crate) fn end(&self) {
        if let Some(module) = self.module.take() {
            // SAFETY: comes for the last time.
            unsafe { envoy_dynamic_module_on_http_filter_config_destroy(module) };
        }
    }

    pub(crate) fn metric(&self, name: &str) -> i64 {
        let metrics = self.metrics.borrow();
        let mut found = metrics.iter().filter(|(known, _)| known == name);
        found.next().map_or(-1, |(_, value)| *value)
    }
}

/// A response, as Envoy shows it.
fn response(headers: &[(&str, &str)], body: &[&[u8]]) -> (Vec<Header>, Vec<Buffer>) {
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| Header::of(name.as_bytes(), value.as_bytes()));
    let body = body.iter().map(|chunk| Buffer::of(chunk));
    (headers.collect(), body.collect())
}

fn stream<'a>(filter: FilterPointer) -> &'a Stream {
    // SAFETY: the tests' requests outlive their filters.
    unsafe { &*filter.cast::<Stream>() }
}

fn configuration<'a>(pointer: ConfigurationPointer) -> &'a Configuration {
    // SAFETY: the tests' configurations outlive what is called with them.
    unsafe { &*pointer.cast::<Configuration>() }
}

fn bytes(buffer: Buffer) -> Vec<u8> {
    // SAFETY: of the module, within the call.
    unsafe { buffer.copy() }
}

fn text(buffer: Buffer) -> String {
    String::from_utf8_lossy(&bytes(buffer)).into_owned()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log_enabled(_level: u32) -> bool {
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_log(_level: u32, message: Buffer) {
    assert!(!text(message).is_empty());
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_counter(
    pointer: ConfigurationPointer,
    name: Buffer,
    _labels: *const Buffer,
    _labels_length: usize,
    id: *mut usize,
) -> u32 {
    let mut metrics = configuration(pointer).metrics.borrow_mut();
    // SAFETY: valid, by the ABI.
    unsafe { id.write(metrics.len()) };
    metrics.push((text(name), 0));
    crate::raw::METRIC_DONE
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_define_gauge(
    pointer: ConfigurationPointer,
    name: Buffer,
    labels: *const Buffer,
    labels_length: usize,
    id: *mut usize,
) -> u32 {
    envoy_dynamic_module_callback_http_filter_config_define_counter(
        pointer,
        name,
        labels,
        labels_length,
        id,
    )
}

fn change(pointer: ConfigurationPointer, id: usize, change: impl Fn(i64) -> i64) -> u32 {
    let mut metrics = configuration(pointer).metrics.borrow_mut();
    let (_, value) = &mut metrics[id];
    *value = change(*value);
    crate::raw::METRIC_DONE
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_increment_counter(
    pointer: ConfigurationPointer,
    id: usize,
    _labels: *const Buffer,
    _labels_length: usize,
    value: u64,
) -> u32 {
    change(pointer, id, |before| before.wrapping_add(signed(value)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_increment_gauge(
    pointer: ConfigurationPointer,
    id: usize,
    _labels: *const Buffer,
    _labels_length: usize,
    value: u64,
) -> u32 {
    change(pointer, id, |before| before.wrapping_add(signed(value)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_decrement_gauge(
    pointer: ConfigurationPointer,
    id: usize,
    _labels: *const Buffer,
    _labels_length: usize,
    value: u64,
) -> u32 {
    change(pointer, id, |before| before.wrapping_sub(signed(value)))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_set_gauge(
    pointer: ConfigurationPointer,
    id: usize,
    _labels: *const Buffer,
    _labels_length: usize,
    value: u64,
) -> u32 {
    change(pointer, id, |_| signed(value))
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_http_callout(
    pointer: ConfigurationPointer,
    id: *mut u64,
    cluster: Buffer,
    headers: *const Header,
    headers_length: usize,
    body: Buffer,
    _timeout_milliseconds: u64,
) -> u32 {
    // SAFETY: so many, by the ABI.
    let headers = unsafe { std::slice::from_raw_parts(headers, headers_length) };
    let calls = &configuration(pointer).calls;
    // SAFETY: the number is valid, by the ABI.
    unsafe { take_call(calls, id, cluster, headers, body) }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_http_callout(
    filter: FilterPointer,
    id: *mut u64,
    cluster: Buffer,
    headers: *const Header,
    headers_length: usize,
    body: Buffer,
    _timeout_milliseconds: u64,
) -> u32 {
    // SAFETY: so many, by the ABI.
    let headers = unsafe { std::slice::from_raw_parts(headers, headers_length) };
    let calls = &stream(filter).calls;
    // SAFETY: the number is valid, by the ABI.
    unsafe { take_call(calls, id, cluster, headers, body) }
}

/// Takes down a call to any cluster but `unknown`, and gives it a number.
///
/// # Safety
/// The number may be written.
unsafe fn take_call(
    calls: &RefCell<Vec<String>>,
    id: *mut u64,
    cluster: Buffer,
    headers: &[Header],
    body: Buffer,
) -> u32 {
    let lines = headers
        .iter()
        .map(|header| format!(" {}={}", text(header.key), text(header.value)));
    let call = format!(
        "{}{} {}",
        text(cluster),
        lines.collect::<String>(),
        text(body)
    );
    if call.starts_with("unknown") {
        return crate::raw::NO_CLUSTER;
    }
    let mut calls = calls.borrow_mut();
    calls.push(call);
    // SAFETY: the caller's promise.
    unsafe { id.write(u64::try_from(calls.len()).unwrap_or_default()) };
    crate::raw::CALL_SENT
}

fn scheduler() -> SchedulerPointer {
    SCHEDULERS.fetch_add(1, Ordering::SeqCst);
    Box::into_raw(Box::new(0_u64)).cast()
}

fn delete(scheduler: SchedulerPointer) {
    SCHEDULERS.fetch_sub(1, Ordering::SeqCst);
    // SAFETY: made by the function above, and deleted once.
    drop(unsafe { Box::from_raw(scheduler.cast::<u64>()) });
}

/// Rings of a scheduler are looked at by nobody: tests wake by hand. That it is there is looked at.
fn commit(scheduler: SchedulerPointer) {
    // SAFETY: not deleted yet, by the ABI.
    assert_eq!(unsafe { scheduler.cast::<u64>().read() }, 0);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_new(
    _configuration: ConfigurationPointer,
) -> SchedulerPointer {
    scheduler()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_commit(
    scheduler: SchedulerPointer,
    _event: u64,
) {
    commit(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_config_scheduler_delete(
    scheduler: SchedulerPointer,
) {
    delete(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_new(
    _filter: FilterPointer,
) -> SchedulerPointer {
    scheduler()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_commit(
    scheduler: SchedulerPointer,
    _event: u64,
) {
    commit(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_scheduler_delete(
    scheduler: SchedulerPointer,
) {
    delete(scheduler);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_header(
    filter: FilterPointer,
    kind: u32,
    key: Buffer,
    result: *mut Buffer,
    index: usize,
    _count: *mut usize,
) -> bool {
    let headers = stream(filter).part(kind).borrow();
    let key = bytes(key);
    let mut found = headers.iter().filter(|(name, _)| *name == key);
    let value = found
        .nth(index)
        .map_or(Buffer::NONE, |(_, value)| Buffer::of(value));
    // SAFETY: valid, by the ABI.
    unsafe { result.write(value) };
    !value.ptr.is_null()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers_size(
    filter: FilterPointer,
    kind: u32,
) -> usize {
    stream(filter).part(kind).borrow().len()
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_get_headers(
    filter: FilterPointer,
    kind: u32,
    result: *mut Header,
) -> bool {
    for (index, (name, value)) in stream(filter).part(kind).borrow().iter().enumerate() {
        // SAFETY: there is room for all, by the ABI.
        let place = unsafe { result.add(index) };
        // SAFETY: likewise.
        unsafe { place.write(Header::of(name, value)) };
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_header(
    filter: FilterPointer,
    kind: u32,
    key: Buffer,
    value: Buffer,
) -> bool {
    let mut headers = stream(filter).part(kind).borrow_mut();
    let key = bytes(key);
    headers.retain(|(name, _)| *name != key);
    if !value.ptr.is_null() {
        headers.push((key, bytes(value)));
    }
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_add_header(
    filter: FilterPointer,
    kind: u32,
    key: Buffer,
    value: Buffer,
) -> bool {
    let mut headers = stream(filter).part(kind).borrow_mut();
    headers.push((bytes(key), bytes(value)));
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_send_response(
    filter: FilterPointer,
    status: u32,
    headers: *const Header,
    headers_length: usize,
    body: Buffer,
    details: Buffer,
) {
    let stream = stream(filter);
    // SAFETY: so many, by the ABI.
    let headers = unsafe { std::slice::from_raw_parts(headers, headers_length) };
    assert!(headers.iter().all(|header| !text(header.key).is_empty()));
    let reply = (status, bytes(body), bytes(details));
    stream.replies.borrow_mut().push(reply);
    if stream.ends_at_once.get() {
        stream.end();
    }
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_continue_decoding(filter: FilterPointer) {
    stream(filter).went_on.set(true);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_reset_stream(
    filter: FilterPointer,
    _reason: u32,
    details: Buffer,
) {
    assert!(!text(details).is_empty());
    stream(filter).was_reset.set(true);
    stream(filter).end();
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_filter_state_bytes(
    filter: FilterPointer,
    key: Buffer,
    value: Buffer,
) -> bool {
    let entry = (bytes(key), bytes(value));
    stream(filter).state.borrow_mut().push(entry);
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_set_dynamic_metadata_string(
    filter: FilterPointer,
    namespace: Buffer,
    key: Buffer,
    value: Buffer,
) {
    assert_eq!(text(namespace), "cognito");
    let entry = (bytes(key), bytes(value));
    stream(filter).state.borrow_mut().push(entry);
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_add_dynamic_metadata_list_string(
    filter: FilterPointer,
    namespace: Buffer,
    key: Buffer,
    value: Buffer,
) -> bool {
    envoy_dynamic_module_callback_http_set_dynamic_metadata_string(filter, namespace, key, value);
    true
}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_clear_route_cache(_filter: FilterPointer) {}

#[unsafe(no_mangle)]
extern "C" fn envoy_dynamic_module_callback_http_filter_get_attribute_string(
    _filter: FilterPointer,
    _attribute: u32,
    result: *mut Buffer,
) -> bool {
    // SAFETY: valid, by the ABI.
    unsafe { result.write(Buffer::of(b"127.0.0.1:1")) };
    true
}
