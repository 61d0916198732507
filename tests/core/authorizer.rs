//! Lambda authorizers: what a function is told, to the letter, and what its answer means.

mod answers;
mod arns;
mod events;
pub(crate) mod naive;
pub(crate) mod policies;

use cognito_authorizer::authorizer::api::Api;
use cognito_authorizer::authorizer::method_arn::MethodArn;

fn api() -> Api {
    Api {
        region: "us-east-1".to_owned(),
        account_id: "123456789012".to_owned(),
        api_id: "a1b2c3d4e5".to_owned(),
        stage: "prod".to_owned(),
        stage_variables: [("env".to_owned(), "prod".to_owned())].into(),
    }
}

/// `GET /a?b` as an ARN.
#[track_caller]
fn arn(request: &str) -> MethodArn {
    let (method, path) = request.split_once(' ').unwrap();
    MethodArn::new(&api(), method.as_bytes(), path.as_bytes()).unwrap()
}
