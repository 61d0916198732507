//! The authorizer at a gateway.

use crate::harness::client::Request;
use crate::harness::issuer::{SUB, Token};
use crate::harness::process::free_ports;
use crate::istio::{Mesh, POOL, Pod, reader};

#[test]
fn requests_get_what_the_rules_say() {
    let mesh = Mesh::start();
    let [port] = free_ports();
    for file in ["keys.yaml", "headers.yaml", "gateway.yaml"] {
        mesh.apply_shipped(file);
    }
    mesh.open(port);
    let gateway = mesh.start_proxy(&Pod::gateway());
    let at = gateway.at(&format!("127.0.0.1_{port}"));
    let send = |request: &Request| request.clone().host("api.example.com").send(at);
    let valid = reader().mint();

    let guarded = Request::get("/orders/7")
        .bearer(&valid)
        .header("x-cognito-sub", "somebody-else");
    assert_eq!(send(&guarded).status, 200);
    let seen = &mesh.upstream.seen(guarded.case())[0];
    assert_eq!(seen.value("x-cognito-sub").as_deref(), Some(SUB));
    assert_eq!(seen.value("x-cognito-groups").as_deref(), Some("readers"));
    let id = Token::id(POOL).mint();
    for (what, request, status) in [
        ("an open place", Request::get("/health"), 200),
        ("no token", Request::get("/orders"), 401),
        ("an id token", Request::get("/orders").bearer(&id), 401),
        (
            "a scope that reads",
            Request::new("POST", "/orders").bearer(&valid),
            403,
        ),
        ("no group", Request::get("/admin").bearer(&valid), 403),
        ("no rule", Request::get("/elsewhere").bearer(&valid), 403),
    ] {
        assert_eq!(send(&request).status, status, "{what}");
    }
    gateway.finish(7);
}
