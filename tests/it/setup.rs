//! The guided set-up: an account by a form, people, lines, and that nothing secret comes back.

use std::{path::PathBuf, sync::Arc};

use ringcard::{
    app::{Source, settings},
    model::people::Role,
    simulator::{ami_server::AmiServer, twilio::Twilio},
    store::{changes, people},
};
use scraper::Html;

use crate::{
    pages::office::{Office, all, text},
    support::{gateway::TestGateway, scripted::eventually},
};

const SECRET: &str = "hazel-secret_1";

/// A gateway that was started from a file, and where its accounts are kept.
struct Place {
    office: Office,
    folder: PathBuf,
}

impl Place {
    async fn open() -> Self {
        Self::open_with("").await
    }

    /// With these accounts in the main file, once it is read anew.
    async fn open_with(accounts: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-setup-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("ringcard.toml");
        let kept = folder.join("accounts.d");
        let text = format!(
            "accounts.folder = {:?}\n{accounts}",
            kept.display().to_string()
        );
        std::fs::write(&file, text).expect("the folder can be written");
        let gateway = TestGateway::start_with("", |settings| {
            settings.accounts.folder = kept;
        })
        .await;
        let env = vec![("PINE".to_owned(), "pine-token-0123456789".to_owned())];
        let source: Source = Arc::new(move || settings::load(Some(&file), env.clone()));
        gateway.gateway().reads_from(source);
        Self {
            office: Office::staffed(gateway).await,
            folder,
        }
    }

    fn files(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.join("accounts.d")) else {
            return Vec::new();
        };
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<String> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    async fn close(self) {
        self.office.close().await;
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn an_asterisk_is_set_up_by_a_form_and_its_secrets_stay_where_they_are() {
    let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
        .await
        .expect("a port");
    let address = ami.address().to_string();
    let place = Place::open().await;
    let adam = place.office.browser("adam").await;
    let form = adam.page("/setup?kind=asterisk").await;
    assert_eq!(
        all(&form, "form[action='/setup'] input[name=address]").len(),
        1
    );

    // What is not exactly right is refused and leaves nothing.
    let right = |name: &'static str, address: &str, secret: &str| {
        [
            ("kind", "asterisk".to_owned()),
            ("name", name.to_owned()),
            ("address", address.to_owned()),
            ("user", "ringcard".to_owned()),
            ("secret", secret.to_owned()),
        ]
    };
    let send = async |form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        adam.post("/setup", &form).await
    };
    for wrong in [
        right("../main", &address, SECRET),
        right("main", "file:/etc/passwd", SECRET),
        right("main", "env:5038", SECRET),
        right("main", "a\"\n[server]:1", SECRET),
        right("main", &address, "two words"),
    ] {
        let refused = send(&wrong).await;
        assert_eq!(refused.status, 422, "{wrong:?}");
    }
    assert_eq!(place.files(), Vec::<String>::new());

    let added = send(&right("main", &address, SECRET)).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(
        !added.text.contains(SECRET),
        "what was typed is not said back"
    );
    let page = Html::parse_document(&added.text);
    let entered: String = all(&page, "#account pre").join("\n");
    let token = entered
        .rsplit("RINGCARD_TOKEN=")
        .next()
        .expect("a token was made");
    let token: String = token.chars().take_while(|c| !c.is_whitespace()).collect();
    assert_eq!(token.len(), 32, "{token}");
    assert_eq!(
        place.files(),
        ["main.route_token", "main.secret", "main.toml"]
    );
    let fragment = std::fs::read_to_string(place.folder.join("accounts.d/main.toml")).unwrap();
    assert!(
        !fragment.contains(SECRET) && !fragment.contains(&token),
        "{fragment}"
    );

    eventually("it is dialled", async || ami.listeners() == 1).await;
    eventually("the first step is done", async || {
        let page = adam.page("/setup/main").await;
        all(&page, "#account[data-standing=done]").len() == 1
    })
    .await;
    for path in [
        "/setup/main",
        "/accounts/main",
        "/accounts",
        "/changes",
        "/health",
    ] {
        let later = adam.get(path).await;
        assert!(
            !later.text.contains(&token) && !later.text.contains(SECRET),
            "{path}"
        );
    }
    let told = changes::page(place.office.gateway.db(), None, 50)
        .await
        .unwrap();
    let told = format!("{told:?}");
    assert!(told.contains("main") && !told.contains(SECRET), "{told}");
    assert_eq!(
        send(&right("main", &address, SECRET)).await.status,
        422,
        "it is taken"
    );

    // The button tries a connection of its own and leaves the one that stands alone.
    let tried = adam.post("/setup/main/test", &[]).await;
    let tried = Html::parse_document(&tried.text);
    assert_eq!(all(&tried, "[data-probe=good]").len(), 1);
    assert_eq!(
        send(&right("wrong", &address, "another-secret"))
            .await
            .status,
        200
    );
    let tried = adam.post("/setup/wrong/test", &[]).await;
    let tried = Html::parse_document(&tried.text);
    assert_eq!(all(&tried, "[data-probe=denied]").len(), 1);
    assert_eq!(
        send(&right("nobody", "127.0.0.1:9", SECRET)).await.status,
        200
    );
    let tried = adam.post("/setup/nobody/test", &[]).await;
    let tried = Html::parse_document(&tried.text);
    assert_eq!(all(&tried, "[data-probe=refused]").len(), 1);
    place.close().await;
}

#[tokio::test]
async fn clouds_are_set_up_and_their_first_message_is_the_proof() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    let added = adam
        .post("/setup", &[("kind", "sipuni"), ("name", "cloud")])
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let page = Html::parse_document(&added.text);
    let hook = text(&page, "#account pre");
    let path = &hook[hook.find("/hooks/cloud/").expect("the address")..];
    assert!(all(&page, "#account[data-standing=next]").len() == 1);
    let told = office
        .gateway
        .get(&format!("{path}?event=9&call_id=1.1"))
        .await;
    assert_eq!(told.status, 200, "{}", told.text);
    let later = adam.page("/setup/cloud").await;
    assert_eq!(all(&later, "#account[data-standing=done]").len(), 1);
    assert!(!text(&later, "#account pre").contains(path));

    let added = adam
        .post(
            "/setup",
            &[
                ("kind", "itoolabs"),
                ("name", "fir"),
                ("address", "https://vats.example.com"),
                ("key", "vats-api-key"),
            ],
        )
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let page = Html::parse_document(&added.text);
    let shown = all(&page, "#account pre");
    let token = shown.last().expect("the token").trim().to_owned();
    let told = format!("cmd=rating&callid=7&crm_token={token}");
    let told = office.gateway.post("/hooks/fir", told).await;
    assert_eq!((told.status, told.text.as_str()), (200, "{}"));
    let account = office.gateway.gateway().account("fir");
    assert!(account.is_some(), "its settings can be used");
    let later = adam.page("/setup/fir").await;
    assert!(!later.root_element().html().contains(&token));

    let added = adam
        .post(
            "/setup",
            &[("kind", "uis"), ("name", "larch"), ("secret", "larch-key")],
        )
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(!added.text.contains("larch-key"));
    let page = Html::parse_document(&added.text);
    assert_eq!(all(&page, "#account li[data-template]").len(), 9);
    let hook = text(
        &page,
        "#account li[data-template=call_finished] pre:first-of-type",
    );
    let path = &hook[hook.find("/hooks/larch/").expect("the address")..];
    let told = r#"{"event":"call_finished","call_session_id":7,"direction":"in"}"#;
    let told = office.gateway.post(path, told).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let later = adam.page("/setup/larch").await;
    assert_eq!(all(&later, "#account[data-standing=done]").len(), 1);

    let keys = [
        ("kind", "mango"),
        ("name", "mango"),
        ("key", "fir-key"),
        ("salt", "fir-salt"),
    ];
    let added = adam.post("/setup", &keys).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(added.text.contains("/hooks/mango"));
    assert!(!added.text.contains("fir-key") && !added.text.contains("fir-salt"));
    let knock = office
        .gateway
        .post("/hooks/mango/events/call", "sign=0&json={}")
        .await;
    assert_ne!(knock.status, 404);
    place.close().await;
}

#[tokio::test]
async fn people_and_lines_are_added_step_by_step() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    let added = adam
        .post("/setup", &[("kind", "sipuni"), ("name", "cloud")])
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let vera = [
        ("extension", "401"),
        ("name", "Vera Sedova"),
        ("login", "vera"),
    ];
    let made = adam.post("/setup/cloud/people", &vera).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let page = Html::parse_document(&made.text);
    let link = text(&page, "code[data-link]");
    let path = &link[link.find("/sign-in/").expect("a link")..];
    let person = people::by_login(office.gateway.db(), "vera")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(person.role, Role::Manager, "the form makes managers only");
    for wrong in [
        // The phone is hers, the name is taken, and a short number has digits only.
        [("extension", "401"), ("who", "anna")],
        [("extension", "402"), ("login", "vera")],
        [("extension", "4a"), ("who", "anna")],
    ] {
        let refused = adam.post("/setup/cloud/people", &wrong).await;
        assert_eq!(refused.status, 422, "{wrong:?}");
    }
    let line = [
        ("number", "8 (495) 000-00-77"),
        ("name", "Shop"),
        ("group", "*"),
    ];
    let made = adam.post("/setup/cloud/lines", &line).await;
    assert_eq!(made.status, 303, "{}", made.text);
    // Whoever gets a phone later is in the group, too.
    let anna = [("extension", "402"), ("who", "anna")];
    assert_eq!(adam.post("/setup/cloud/people", &anna).await.status, 200);
    let page = adam.page("/setup/cloud").await;
    assert_eq!(all(&page, "#people[data-standing=done]").len(), 1);
    assert!(text(&page, "#lines .phones").contains("+74950000077"));
    assert!(!page.html().contains(path), "the link was shown once");
    let members: Vec<(i64,)> = ringcard::on_read!(office.gateway.db(), pool => {
        sqlx::query_as(
            "select m.person from ring_group_member m join ring_group g on g.id = m.grp
             where g.name = 'cloud' order by m.person",
        )
        .fetch_all(pool)
        .await
        .unwrap()
    });
    let mut expected = [office.anna.0, person.id.0];
    expected.sort_unstable();
    assert_eq!(
        members.iter().map(|one| one.0).collect::<Vec<_>>(),
        expected
    );
    // A form without the session's token does nothing.
    let request = office
        .gateway
        .client
        .post(office.gateway.url("/setup/cloud/people"));
    let request = request
        .header("cookie", &adam.cookie)
        .form(&[("extension", "403")]);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 403);
    place.close().await;
}

#[tokio::test]
async fn calltouch_is_set_up_by_its_name_alone() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    let form = adam.page("/setup?kind=calltouch").await;
    assert!(text(&form, "#account .hint").contains("Calltouch"));
    let added = adam
        .post("/setup", &[("kind", "calltouch"), ("name", "ads")])
        .await;
    assert_eq!(added.status, 200, "{}", added.text);
    let hook = text(&Html::parse_document(&added.text), "#account pre");
    let path = &hook[hook.find("/hooks/").expect("the address")..];
    assert_eq!(office.gateway.post(path, "callId=1").await.status, 200);
    assert_eq!(office.gateway.get("/hooks/ads/guess").await.status, 404);
    place.close().await;
}

#[tokio::test]
async fn zadarma_is_set_up_with_an_address_that_its_cabinet_can_check() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    for kind in ["zadarma", "novofon"] {
        let typed = [
            ("kind", kind),
            ("name", kind),
            ("key", "birch-key"),
            ("secret", "birch-secret"),
        ];
        let incomplete = adam.post("/setup", &typed[..3]).await;
        assert_eq!(incomplete.status, 422, "{}", incomplete.text);
        let added = adam.post("/setup", &typed).await;
        assert_eq!(added.status, 200, "{}", added.text);
        assert!(!added.text.contains("birch-secret"));
        let page = Html::parse_document(&added.text);
        let hook = text(&page, "#account pre");
        let path = &hook[hook.find("/hooks/").expect("the address")..];
        let echo = office.gateway.get(&format!("{path}?zd_echo=e-7")).await;
        assert_eq!((echo.status, echo.text.as_str()), (200, "e-7"));
    }
    place.close().await;
}

#[tokio::test]
async fn onlinepbx_is_set_up_with_an_address_that_takes_its_test() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    let typed = [
        ("kind", "onlinepbx"),
        ("name", "larch"),
        ("user", "pbx000007.onpbx.ru"),
        ("key", "larch-api-key"),
    ];
    for wrong in ["", "a/b"] {
        let typed = typed.map(|(name, value)| (name, if name == "user" { wrong } else { value }));
        assert_eq!(adam.post("/setup", &typed).await.status, 422, "{wrong:?}");
    }
    let added = adam.post("/setup", &typed).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(!added.text.contains("larch-api-key"));
    let page = Html::parse_document(&added.text);
    let hook = text(&page, "#account pre");
    let path = &hook[hook.find("/hooks/").expect("the address")..];
    let test = office.gateway.client.post(office.gateway.url(path));
    let test = test.body(r#"{"domain":"pbx000007.onpbx.ru","event":"call_start"}"#);
    assert_eq!(test.send().await.unwrap().status().as_u16(), 200);
    place.close().await;
}

#[tokio::test]
async fn twilio_is_set_up_with_the_address_that_it_signs() {
    let place = Place::open().await;
    let office = &place.office;
    let adam = office.browser("adam").await;
    let typed = [
        ("kind", "twilio"),
        ("name", "cedar"),
        ("user", "AC0123456789abcdef"),
        ("address", "+74950000031"),
        ("secret", "cedar-token"),
    ];
    for (field, wrong) in [("user", "a/b"), ("address", "301"), ("secret", "")] {
        let typed = typed.map(|(name, value)| (name, if name == field { wrong } else { value }));
        assert_eq!(adam.post("/setup", &typed).await.status, 422, "{field}");
    }
    let added = adam.post("/setup", &typed).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(!added.text.contains("cedar-token"));
    let page = Html::parse_document(&added.text);
    let hook = all(&page, "#account pre").remove(0);
    let hook_url = hook.trim().trim_end_matches("/voice").to_owned();
    let said = [("CallSid", "CA1"), ("CallStatus", "ringing")];
    for (token, status) in [("cedar-token", 200), ("another", 401)] {
        let cloud = Twilio {
            account: "cedar".to_owned(),
            hook_url: hook_url.clone(),
            token: token.to_owned(),
            run: 1,
        };
        let told = cloud.signed("/voice", said.map(|(k, v)| (k, v.to_owned())).into());
        let (name, value) = told.signature.expect("it is signed");
        let asked = office
            .gateway
            .client
            .post(office.gateway.url("/hooks/cedar/voice"));
        let form = "content-type";
        let asked = asked
            .header(name, value)
            .header(form, "application/x-www-form-urlencoded");
        let answer = asked.body(told.body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{token}");
    }
    let page = adam.page("/setup/cedar").await;
    assert!(page.html().contains("AC0123456789abcdef") && page.html().contains("+74950000031"));
    place.close().await;
}

#[tokio::test]
async fn an_asterisk_over_ari_and_tls_is_set_up_and_tried_and_changed_to_ami() {
    let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
        .await
        .expect("a port");
    let place = Place::open().await;
    let adam = place.office.browser("adam").await;
    let address = ami.address().to_string();
    let form = |name: &'static str, over: &'static str, tls: &'static str| {
        [
            ("kind", "asterisk"),
            ("name", name),
            ("over", over),
            ("tls", tls),
            ("address", address.as_str()),
            ("user", "ringcard"),
            ("secret", SECRET),
        ]
        .map(|(key, value)| (key, value.to_owned()))
    };
    let send = async |path: &str, form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        adam.post(path, &form).await
    };
    assert_eq!(send("/setup", &form("pine", "sip", "0")).await.status, 404);
    let added = send("/setup", &form("pine", "ari", "1")).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let page = Html::parse_document(&added.text);
    let entered: String = all(&page, "#account pre").join("\n");
    for told in [
        "[ringcard](ringcard-hears)",
        "bindport = 8088",
        "tlsbindaddr = 127.0.0.1:8089",
    ] {
        assert!(entered.contains(told), "{told}");
    }
    assert!(
        !entered.contains("ringcard-rights"),
        "it is not heard over AMI"
    );
    assert_eq!(
        all(&page, "select[name=over] option[value=ari][selected]").len(),
        1
    );
    assert_eq!(all(&page, "input[name=tls][checked]").len(), 1);
    let fragment = || std::fs::read_to_string(place.folder.join("accounts.d/pine.toml")).unwrap();
    assert!(fragment().contains("over = \"ari\"") && fragment().contains("tls = true"));
    // Who answers there speaks no TLS.
    let tried = adam.post("/setup/pine/test", &[]).await;
    let tried = Html::parse_document(&tried.text);
    assert_eq!(all(&tried, "[data-probe=untrusted]").len(), 1);
    let changed = send("/setup/pine/change", &form("pine", "ami", "0")).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(!fragment().contains("over") && !fragment().contains("tls"));
    eventually("it is dialled in the clear", async || ami.listeners() == 1).await;
    place.close().await;
}

#[tokio::test]
async fn an_account_of_a_page_is_changed_and_removed_and_its_secrets_stay_unseen() {
    let (ami, _clicks) = AmiServer::start("127.0.0.1:0", "ringcard", SECRET)
        .await
        .expect("a port");
    let address = ami.address().to_string();
    let place = Place::open().await;
    let adam = place.office.browser("adam").await;
    let account = |address: &str, secret: &str| {
        [
            ("kind", "asterisk".to_owned()),
            ("name", "main".to_owned()),
            ("address", address.to_owned()),
            ("user", "ringcard".to_owned()),
            ("secret", secret.to_owned()),
        ]
    };
    let send = async |path: &str, form: &[(&str, String)]| {
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (*k, v.as_str())).collect();
        adam.post(path, &form).await
    };
    let file = |name: &str| std::fs::read_to_string(place.folder.join("accounts.d").join(name));
    assert_eq!(
        send("/setup", &account(&address, "not-theirs"))
            .await
            .status,
        200
    );
    let token = file("main.route_token").unwrap();

    // The form says what there is, but no secret.
    let page = adam.page("/setup/main").await;
    let form = "form[action='/setup/main/change#account'] ";
    assert_eq!(all(&page, "[data-kept=page]").len(), 1);
    assert!(page.html().contains(&format!("value=\"{address}\"")));
    assert_eq!(all(&page, &format!("{form}input[name=kind]")).len(), 0);
    assert!(!page.html().contains("not-theirs") && !page.html().contains(&token));

    // What is not exactly right, or cannot be used, changes nothing.
    let was = file("main.toml").unwrap();
    for wrong in [
        account("file:/etc/passwd", ""),
        account(&address, "two words"),
    ] {
        let refused = send("/setup/main/change", &wrong).await;
        assert_eq!(refused.status, 422, "{wrong:?}");
    }
    assert_eq!(
        (file("main.toml").unwrap(), file("main.secret").unwrap()),
        (was, "not-theirs".to_owned())
    );

    // The right secret connects it at once; the token at the PBX stays, and so does what is left empty.
    assert_eq!(ami.listeners(), 0);
    let changed = send("/setup/main/change", &account(&address, SECRET)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert!(!changed.text.contains(SECRET));
    eventually("it is dialled", async || ami.listeners() == 1).await;
    let tried = adam.post("/setup/main/test", &[]).await;
    let tried = Html::parse_document(&tried.text);
    assert_eq!(all(&tried, "[data-probe=good]").len(), 1);
    assert_eq!(
        send("/setup/main/change", &account(&address, ""))
            .await
            .status,
        200
    );
    assert_eq!(file("main.secret").unwrap(), SECRET);
    assert_eq!(file("main.route_token").unwrap(), token);

    // Made anew only on request, and shown once.
    let mut renewed = account(&address, SECRET).to_vec();
    renewed.push(("renew", "1".to_owned()));
    let shown = send("/setup/main/change", &renewed).await;
    let fresh = file("main.route_token").unwrap();
    assert!(
        fresh != token && shown.text.contains(&fresh),
        "{}",
        shown.text
    );
    assert!(!adam.get("/setup/main").await.text.contains(&fresh));

    // Removed only by its name; the files are moved away, and the connection ends.
    let refused = adam.post("/setup/main/remove", &[("name", "other")]).await;
    assert_eq!(refused.status, 422);
    let gone = adam.post("/setup/main/remove", &[("name", "main")]).await;
    assert_eq!(gone.status, 303, "{}", gone.text);
    assert_eq!(place.files(), ["removed"]);
    let away = std::fs::read_dir(place.folder.join("accounts.d/removed")).unwrap();
    let away: Vec<_> = away.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(away.len(), 1);
    assert_eq!(
        std::fs::read_to_string(away[0].join("main.secret")).unwrap(),
        SECRET
    );
    eventually("nobody dials it", async || ami.listeners() == 0).await;
    assert_eq!(adam.get("/setup/main").await.status, 404);
    let told: Vec<(String, String)> = ringcard::on_read!(place.office.gateway.db(), pool => {
        sqlx::query_as("select object, detail from audit where action = 'change' order by id")
            .fetch_all(pool)
            .await
            .unwrap()
    });
    let of_account = |(object, _): &&(String, String)| object == "account:main";
    let told: Vec<&str> = told
        .iter()
        .filter(of_account)
        .map(|(_, how)| how.as_str())
        .collect();
    assert_eq!(told, ["added", "changed", "changed", "changed", "removed"]);
    place.close().await;
}

#[tokio::test]
async fn an_account_of_the_main_file_is_changed_there() {
    let place =
        Place::open_with("[[pbx]]\nname = \"pine\"\ntype = \"sipuni\"\ntoken = \"env:PINE\"\n")
            .await;
    let adam = place.office.browser("adam").await;
    eventually("the file is taken over", async || {
        adam.post("/configuration/reload", &[]).await;
        adam.get("/setup/pine").await.status == 200
    })
    .await;
    let page = adam.page("/setup/pine").await;
    assert_eq!(all(&page, "[data-kept=file]").len(), 1);
    for (path, form) in [
        ("/setup/pine/change", [("user", "1")]),
        ("/setup/pine/remove", [("name", "pine")]),
    ] {
        assert_eq!(adam.post(path, &form).await.status, 422, "{path}");
    }
    assert_eq!(
        adam.post("/setup/nobody/remove", &[("name", "nobody")])
            .await
            .status,
        404
    );
    assert!(place.office.gateway.gateway().account("pine").is_some());
    place.close().await;
}
