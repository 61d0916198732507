# The routes of Rails (actionpack) with their defaults, on puma.
require "json"
require "action_dispatch"

ROUTES = ActionDispatch::Routing::RouteSet.new

HANDLER = lambda do |name|
  lambda do |env|
    request = ActionDispatch::Request.new(env)
    variables = request.path_parameters.reject { |key, _| key == :format }
    bearer = request.authorization.to_s[/\A(?:bearer|token) +(.*)\z/i, 1] || request.authorization.to_s[/\A[^ ]+\z/]
    saw = {
      handler: name, method: request.request_method, vars: variables, host: request.host,
      sub: request.headers["x-cognito-sub"], groups: env["HTTP_X_COGNITO_GROUPS"], bearer: bearer,
      header: env["HTTP_X_ID_TOKEN"], cookie: request.cookies["access_token"], query: request.query_parameters["access_token"]
    }
    clean = ->(value) do
      case value
      when Hash then value.transform_values(&clean)
      when Array then value.map(&clean)
      when String then value.dup.force_encoding("UTF-8").scrub
      else value
      end
    end
    [200, { "x-saw" => JSON.generate(clean.call(saw), ascii_only: true) }, []]
  end
end

ROUTES.draw do
  constraints(host: "admin.example.com") { match "/hosted", to: HANDLER["hosted.admin"], via: :all }
  match "/hosted", to: HANDLER["hosted"], via: :all
  match "/open", to: HANDLER["open"], via: :all
  match "/open/:x", to: HANDLER["open.item"], via: :all
  match "/admin", to: HANDLER["admin"], via: :all
  match "/admin/:x", to: HANDLER["admin.item"], via: :all
  match "/users/:id", to: HANDLER["user"], via: :all
  match "/reports/:n/delete", to: HANDLER["report.delete"], via: :all
  get "/payments", to: HANDLER["payments.list"]
  post "/payments", to: HANDLER["payments.pay"]
  delete "/payments", to: HANDLER["payments.void"]
  get "/orders/:id", to: HANDLER["order.show"]
  delete "/orders/:id", to: HANDLER["order.remove"]
  match "/internal/:x", to: HANDLER["internal"], via: :all
  match "/files/*path", to: HANDLER["files"], via: :all
end

use Rack::Head
use Rack::MethodOverride
run ROUTES
