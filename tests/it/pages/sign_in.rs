//! How people come in, and how nobody else does.

use ringcard::{
    flow,
    store::{people, staff},
    web::auth,
};

use super::office::{Office, attribute, text};
use crate::support::gateway::answer;

#[tokio::test]
async fn a_link_lets_in_once_and_looking_at_it_does_not_use_it_up() {
    let office = Office::open().await;
    let gateway = &office.gateway;
    let hour = std::time::Duration::from_secs(3_600);
    let token = auth::issue_link(gateway.db(), office.anna, hour, flow::now())
        .await
        .unwrap();
    let path = format!("/sign-in/{token}");
    for _ in 0..2 {
        let looked = gateway.get(&path).await;
        assert_eq!(looked.status, 200);
        assert!(looked.text.contains("Anna"));
        assert!(!looked.headers.contains_key("set-cookie"));
    }
    let first = gateway.post(&path, "").await;
    assert_eq!(
        (first.status, &first.headers["location"]),
        (303, &"/".parse().unwrap())
    );
    let cookie = first.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"));
    assert!(!cookie.contains("Secure")); // plain http here
    assert!(!cookie.contains(&token));
    assert_eq!(gateway.post(&path, "").await.status, 422);
    assert_eq!(gateway.get(&path).await.status, 422);
    office.close().await;
}

#[tokio::test]
async fn a_password_is_set_used_and_changed() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let other = office.browser("anna").await;
    let first = [("new", "correct horse"), ("again", "correct horse")];
    assert_eq!(anna.post("/me/password", &first).await.status, 303);
    // Whoever was signed in elsewhere is out.
    assert_eq!(other.get("/me").await.status, 303);
    let gateway = &office.gateway;
    let try_with = async |password: &str| {
        let form = [("login", "anna"), ("password", password)];
        gateway.post_form("/sign-in", &form).await
    };
    assert_eq!(try_with("wrong horse").await.status, 401);
    let right = try_with("correct horse").await;
    assert_eq!(right.status, 303);
    assert!(right.headers.contains_key("set-cookie"));
    let without_old = [("new", "another horse"), ("again", "another horse")];
    assert_eq!(anna.post("/me/password", &without_old).await.status, 422);
    let short = [
        ("current", "correct horse"),
        ("new", "short"),
        ("again", "short"),
    ];
    assert_eq!(anna.post("/me/password", &short).await.status, 422);
    office.close().await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let office = Office::open().await;
    let form = [("login", "anna"), ("password", "guess")];
    let mut statuses = Vec::new();
    for _ in 0..10 {
        statuses.push(office.gateway.post_form("/sign-in", &form).await.status);
    }
    assert_eq!(statuses[..8], [401; 8]);
    assert_eq!(statuses[8..], [429; 2]);
    assert_eq!(office.audit("sign_in_failed").await.len(), 8);
    office.close().await;
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_the_door_and_back() {
    let office = Office::open().await;
    let gateway = &office.gateway;
    let asked = gateway.get("/calls?from=2026-11-01").await;
    assert_eq!(asked.status, 303);
    assert_eq!(
        asked.headers["location"],
        "/sign-in?next=/calls%3Ffrom%3D2026-11-01"
    );
    let hash = "$argon2id$broken";
    people::set_password_hash(gateway.db(), office.anna, hash)
        .await
        .unwrap();
    let form = [("login", "anna"), ("password", "x")];
    assert_eq!(gateway.post_form("/sign-in", &form).await.status, 401);
    office.close().await;
}

#[tokio::test]
async fn forms_of_others_do_nothing() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let gateway = &office.gateway;
    let post = |csrf: &'static str, site: Option<&'static str>| {
        let form = [("csrf", csrf), ("language", "ru"), ("next", "/")];
        let request = gateway.client.post(gateway.url("/me/language")).form(&form);
        let request = request.header("cookie", &anna.cookie);
        answer(match site {
            Some(site) => request.header("sec-fetch-site", site),
            None => request,
        })
    };
    assert_eq!(post("forged", None).await.status, 403);
    assert_eq!(post("", Some("same-origin")).await.status, 403);
    let request = gateway.client.post(gateway.url("/me/language"));
    let form = [("csrf", anna.csrf.as_str()), ("language", "ru")];
    let foreign = request
        .form(&form)
        .header("cookie", &anna.cookie)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(answer(foreign).await.status, 403);
    let person = people::by_login(gateway.db(), "anna")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(person.language, "en");
    office.close().await;
}

#[tokio::test]
async fn signing_out_ends_the_session_at_the_server() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    assert_eq!(anna.post("/sign-out", &[]).await.status, 303);
    assert_eq!(anna.get("/").await.status, 303);
    office.close().await;
}

#[tokio::test]
async fn whoever_is_switched_off_is_out_at_once_and_for_good() {
    let office = Office::open().await;
    let db = office.gateway.db();
    let anna = office.browser("anna").await;
    assert_eq!(anna.get("/").await.status, 200);
    assert!(
        staff::switch_off(db, office.anna, flow::now())
            .await
            .unwrap()
    );
    assert_eq!(anna.get("/").await.status, 303);
    staff::switch_on(db, office.anna).await.unwrap();
    // The old session does not come back; a new one may be opened.
    assert_eq!(anna.get("/").await.status, 303);
    assert_eq!(office.browser("anna").await.get("/").await.status, 200);
    office.close().await;
}

#[tokio::test]
async fn pages_speak_the_person_s_language() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    let page = anna.page("/").await;
    assert_eq!(attribute(&page, "html", "lang"), "en");
    assert_eq!(text(&page, "h1"), "Desk");
    let switch = [("language", "ru"), ("next", "/calls")];
    let switched = anna.post("/me/language", &switch).await;
    assert_eq!(switched.headers["location"], "/calls");
    let page = anna.page("/").await;
    assert_eq!(attribute(&page, "html", "lang"), "ru");
    assert_eq!(text(&page, "h1"), "Рабочий стол");
    // The error page keeps to it as well.
    let missing = anna.get("/no-such-page").await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("Такой страницы нет"));
    office.close().await;
}

#[tokio::test]
async fn no_page_runs_foreign_or_inline_code() {
    let office = Office::open().await;
    let anna = office.browser("anna").await;
    for path in ["/", "/calls", "/cards", "/me", "/sign-in", "/no-such-page"] {
        let got = anna.get(path).await;
        let policy = got.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(got.headers["x-frame-options"], "DENY");
        assert_eq!(got.headers["cache-control"], "no-store, private");
        assert!(!got.text.contains(" style=\""), "{path}");
        assert!(!got.text.contains(" onclick="), "{path}");
        let scripts = got.text.matches("<script").count();
        let modules = got
            .text
            .matches("<script type=\"module\" src=\"/assets/")
            .count();
        assert_eq!(scripts, modules, "{path}");
    }
    office.close().await;
}
