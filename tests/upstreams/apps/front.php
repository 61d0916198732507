<?php
// A front controller: Symfony's request, with the override of methods that its framework turns on.
require "/usr/share/php/Symfony/Component/HttpFoundation/autoload.php";

use Symfony\Component\HttpFoundation\Request;

Request::enableHttpMethodParameterOverride();
$request = Request::createFromGlobals();
// Symfony's router decodes the path once, and matches it as it is.
$path = rawurldecode($request->getPathInfo());
$path = strlen($path) > 1 ? rtrim($path, "/") : $path;
$method = $request->getMethod();
$asked = $method === "HEAD" ? "GET" : $method;

$routes = [
    ["open", "#^/open$#", null], ["open.item", "#^/open/(?<x>[^/]+)$#", null],
    ["admin", "#^/admin$#", null], ["admin.item", "#^/admin/(?<x>[^/]+)$#", null],
    ["user", "#^/users/(?<id>[^/]+)$#", null], ["report.delete", "#^/reports/(?<n>[^/]+)/delete$#", null],
    ["payments.list", "#^/payments$#", "GET"], ["payments.pay", "#^/payments$#", "POST"],
    ["payments.void", "#^/payments$#", "DELETE"], ["order.show", "#^/orders/(?<id>[^/]+)$#", "GET"],
    ["order.remove", "#^/orders/(?<id>[^/]+)$#", "DELETE"], ["hosted", "#^/hosted$#", null],
    ["internal", "#^/internal/(?<x>[^/]+)$#", null], ["files", "#^/files/(?<path>.+)$#s", null],
];
foreach ($routes as [$name, $pattern, $only]) {
    if (($only === null || $only === $asked) && preg_match($pattern, $path, $found)) {
        if ($name === "hosted" && strtolower($request->getHost()) === "admin.example.com") {
            $name = "hosted.admin";
        }
        $authorization = $_SERVER["HTTP_AUTHORIZATION"] ?? "";
        preg_match("#^(?:(?:bearer|token) +)?([^ ]*)$#i", $authorization, $bearer);
        $saw = [
            "handler" => $name, "method" => $method,
            "vars" => (object) array_filter($found, "is_string", ARRAY_FILTER_USE_KEY), "host" => $request->getHost(),
            "sub" => $_SERVER["HTTP_X_COGNITO_SUB"] ?? null, "groups" => $_SERVER["HTTP_X_COGNITO_GROUPS"] ?? null,
            "header" => $_SERVER["HTTP_X_ID_TOKEN"] ?? null, "bearer" => $bearer[1] ?? null, "cookie" => $_COOKIE["access_token"] ?? null,
            "query" => $_GET["access_token"] ?? null,
        ];
        header("x-saw: " . json_encode($saw, JSON_INVALID_UTF8_SUBSTITUTE));
        exit;
    }
}
http_response_code(404);
