//! Who may come to which page: every route times every role, held against a table written here.

use std::collections::BTreeMap;

use ringcard::web::routes;

use super::office::Office;

/// Logins of the office by role.
const LOGINS: [(&str, &str); 6] = [
    ("m", "anna"),
    ("h", "helen"),
    ("k", "mark"),
    ("q", "quinn"),
    ("o", "olga"),
    ("a", "adam"),
];

/// For every route, the roles that come in: m manager, h head, k marketer, q quality, o owner,
/// a administrator; `*` everybody, signed in or not. Written by hand on purpose.
const MAY: &[(&str, &str)] = &[
    ("GET /sign-in", "*"),
    ("POST /sign-in", "*"),
    ("GET /sign-in/{token}", "*"),
    ("POST /sign-in/{token}", "*"),
    ("GET /assets/{version}/{name}", "*"),
    ("GET /api/v1/docs", "*"),
    ("POST /sign-out", "mhkqoa"),
    ("GET /", "mhkqoa"),
    ("GET /desk/lists", "mhkqoa"),
    ("POST /tasks/{id}/close", "mho"),
    ("GET /pops/{call}", "mhkqoa"),
    ("POST /pops/{call}/done", "mhkqoa"),
    ("GET /live", "mhkqoa"),
    ("POST /live/painted", "mhkqoa"),
    ("GET /calls", "mhkqoa"),
    ("GET /calls/live", "mhkqoa"),
    ("GET /calls.csv", "hko"),
    ("GET /calls/{id}", "mhkqoa"),
    ("POST /calls/{id}/reveal", "hqoa"),
    ("GET /recordings/{id}/audio", "mhqo"),
    ("GET /recordings/{id}/file", "hqo"),
    ("GET /cards/{id}", "mhkqoa"),
    ("POST /cards/{id}/reveal", "hqoa"),
    ("POST /cards/{id}/notes", "mho"),
    ("POST /cards/{id}/name", "mho"),
    ("GET /cards/{id}/merge", "mho"),
    ("POST /cards/{id}/merge", "mho"),
    ("POST /cards/{id}/part", "mho"),
    ("POST /cards/{id}/part-number", "mho"),
    ("POST /cards/{id}/hold", "o"),
    ("POST /cards/{id}/release", "o"),
    ("POST /calls/{id}/hold", "o"),
    ("POST /calls/{id}/release", "o"),
    ("POST /cards/{id}/erase", "o"),
    ("GET /cards", "mhqo"),
    ("POST /tasks/{id}/call", "mho"),
    ("POST /cards/{id}/call", "mho"),
    ("POST /calls/{id}/call", "mho"),
    ("GET /lost", "ho"),
    ("GET /lines", "hkqo"),
    ("GET /lines.csv", "hko"),
    ("GET /visits", "hkqo"),
    ("GET /lines/recording", "oa"),
    ("POST /lines/{id}/recording", "oa"),
    ("POST /calls/{id}/consent", "mho"),
    ("POST /calls/{id}/recording", "mho"),
    ("GET /channels", "koa"),
    ("POST /channels", "koa"),
    ("POST /channels/rules", "koa"),
    ("POST /channels/{id}", "koa"),
    ("POST /lines/{id}/channel", "koa"),
    ("GET /spend", "koa"),
    ("POST /spend", "koa"),
    ("POST /spend/remove", "koa"),
    ("GET /people", "hoa"),
    ("POST /people", "hoa"),
    ("GET /people/{person}", "hoa"),
    ("POST /people/{person}", "hoa"),
    ("POST /people/{person}/link", "hoa"),
    ("POST /people/{person}/phones", "hoa"),
    ("POST /people/{person}/phones/remove", "hoa"),
    ("POST /people/{person}/on", "hoa"),
    ("GET /people/{person}/leave", "hoa"),
    ("POST /people/{person}/leave", "hoa"),
    ("GET /audit", "oa"),
    ("GET /audit.csv", "oa"),
    ("GET /changes", "oa"),
    ("GET /purged", "oa"),
    ("GET /health", "oa"),
    ("GET /accounts", "oa"),
    ("GET /setup", "oa"),
    ("POST /setup", "oa"),
    ("GET /setup/{name}", "oa"),
    ("POST /setup/{name}/test", "oa"),
    ("POST /setup/{name}/change", "oa"),
    ("POST /setup/{name}/remove", "oa"),
    ("POST /setup/{name}/people", "oa"),
    ("POST /setup/{name}/lines", "oa"),
    ("GET /accounts/{name}", "oa"),
    ("GET /accounts/{name}/trace", "oa"),
    ("POST /accounts/{name}/read", "oa"),
    ("POST /configuration/reload", "oa"),
    ("GET /dead-letters", "oa"),
    ("GET /dead-letters/{id}", "oa"),
    ("POST /dead-letters/{id}/replay", "oa"),
    ("POST /cards/{id}/mark", "mho"),
    ("POST /calls/{id}/mark", "mho"),
    ("GET /outside", "oa"),
    ("POST /outside", "oa"),
    ("GET /outside/{subscription}", "oa"),
    ("POST /outside/{subscription}/rotate", "oa"),
    ("POST /outside/{subscription}/disable", "oa"),
    ("POST /outside/{subscription}/enable", "oa"),
    ("POST /outside/{subscription}/remove", "oa"),
    ("POST /outside/{subscription}/replay", "oa"),
    ("GET /outside/{subscription}/messages/{message}", "oa"),
    (
        "POST /outside/{subscription}/messages/{message}/replay",
        "oa",
    ),
    ("GET /me", "mhkqoa"),
    ("POST /me/language", "mhkqoa"),
    ("POST /me/password", "mhkqoa"),
    ("GET /tokens", "mhkqoa"),
    ("POST /tokens", "mhkqoa"),
    ("POST /tokens/{id}/revoke", "mhkqoa"),
];

fn address(path: &str) -> String {
    let nobody = uuid::Uuid::nil().to_string();
    path.replace("{call}", &nobody)
        .replace("/tasks/{id}", "/tasks/0")
        .replace("/channels/{id}", "/channels/0")
        .replace("/lines/{id}", "/lines/0")
        .replace("/recordings/{id}", "/recordings/0")
        .replace("/tokens/{id}", "/tokens/0")
        .replace("{person}", "0")
        .replace("{subscription}", "0")
        .replace("{message}", "0")
        .replace("/dead-letters/{id}", "/dead-letters/0")
        .replace("{id}", &nobody)
        .replace("{token}", "none")
        .replace("{version}", "0")
        .replace("{name}", "app.css")
}

#[test]
fn every_route_stands_in_the_table() {
    let routes: Vec<String> = routes::all()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let mut table: Vec<String> = MAY.iter().map(|(route, _)| (*route).to_owned()).collect();
    let mut sorted = routes.clone();
    sorted.sort();
    table.sort();
    assert_eq!(sorted, table);
}

#[tokio::test]
async fn every_role_comes_exactly_where_the_table_says() {
    let office = Office::open().await;
    let may: BTreeMap<&str, &str> = MAY.iter().copied().collect();
    let mut wrong = Vec::new();
    for (letter, login) in LOGINS {
        for route in routes::all() {
            let name = format!("{} {}", route.method, route.path);
            let allowed = may[name.as_str()];
            // The stream does not end, and these end the session or change its language.
            let ends = ["GET /live", "POST /sign-out", "POST /me/password"];
            if ends.contains(&name.as_str()) || allowed == "*" {
                continue;
            }
            let browser = office.browser(login).await;
            let path = address(route.path);
            let got = match route.method {
                "GET" => browser.get(&path).await,
                _ => {
                    browser
                        .post(
                            &path,
                            &[
                                ("note", "x"),
                                ("reason", "x"),
                                ("name", "x"),
                                ("company", "x"),
                                ("call", &uuid::Uuid::nil().to_string()),
                                ("language", "en"),
                            ],
                        )
                        .await
                }
            };
            let turned_away = got.status == 403;
            if turned_away == allowed.contains(letter) {
                wrong.push(format!("{login} {name}: {}", got.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    office.close().await;
}

#[tokio::test]
async fn nobody_comes_anywhere_without_signing_in() {
    let office = Office::open().await;
    for (route, allowed) in MAY {
        if *allowed == "*" {
            continue;
        }
        let (method, path) = route.split_once(' ').unwrap();
        let path = address(path);
        let got = match method {
            "GET" => office.gateway.get(&path).await,
            _ => office.gateway.post(&path, "").await,
        };
        assert_eq!(got.status, 303, "{route}");
        let to = got.headers["location"].to_str().unwrap();
        assert!(to.starts_with("/sign-in?next="), "{route}: {to}");
    }
    office.close().await;
}

#[tokio::test]
async fn only_leaders_may_watch() {
    let office = Office::open().await;
    let gateway = &office.gateway;
    for (login, expected) in [("anna", 403), ("quinn", 403), ("adam", 403), ("helen", 200)] {
        let browser = office.browser(login).await;
        let request = gateway.client.get(gateway.url("/live?watch=1"));
        let got = request
            .header("cookie", &browser.cookie)
            .send()
            .await
            .unwrap();
        assert_eq!(got.status().as_u16(), expected, "{login}");
    }
    office.close().await;
}
