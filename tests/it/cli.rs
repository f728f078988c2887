//! The command line as people use it: the real binary in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

/// A folder with a database in which commands run.
struct Desk(PathBuf);

impl Desk {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("ringcard-cli-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs what must go well with these variables, and gives its standard output.
    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .args(arguments)
            .current_dir(&self.0)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs what must go well, and gives its standard output.
    fn tell(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is left in the folder of temporary files harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_wrong_configuration_is_told_whole_and_has_its_own_exit_code() {
    let desk = Desk::new();
    desk.file(
        "ringcard.toml",
        "[store]\nur = \"sqlite:a.db\"\n[[pbx]]\nname = \"a\"\ntype = \"nothing\"\n",
    );
    let output = desk.run(&["check"], "");
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("2 problems"), "{told}");
    assert!(told.contains("did you mean \"url\"?"), "{told}");
    assert!(told.contains("pbx.a.type"), "{told}");
    assert_eq!(desk.run(&["chek"], "").status.code(), Some(2));
}

#[test]
fn every_problem_of_an_account_is_told_where_it_stands() {
    let desk = Desk::new();
    desk.file(
        "ringcard.toml",
        "[web]\npublic_url = \"ftp://x\"\n[log]\nlevel = \"loud\"\n\
         [[pbx]]\nname = \"a b\"\ntype = \"nothing\"\nnumbers = { country = \"XX\" }\n\
         [[pbx]]\nname = \"cloud\"\ntype = \"mango\"\nvpbx_api_key = \"env:NO_SUCH_KEY\"\n\
         vpbx_api_salt = \"in the clear\"\n",
    );
    let output = desk.run(&["check"], "");
    let told = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "web.public_url: must start with https",
        "log.level: \"loud\" is no level",
        "pbx.a b.name: must be made of",
        "pbx.a b.type: no provider",
        "pbx.a b.numbers: country",
        "pbx.cloud.vpbx_api_key: the environment has no variable NO_SUCH_KEY",
        "pbx.cloud.vpbx_api_salt: a secret does not belong",
    ] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn providers_are_listed_for_programs_too() {
    let told = Desk::new().tell(&["providers", "--json"], "");
    let names: Vec<String> = told
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|provider| provider["name"].as_str().unwrap().to_owned())
        .collect();
    let known: Vec<&str> = ringcard::pbx::PROVIDERS
        .iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(names, known);
    assert!(
        told.contains(
            r#""abilities":["signature","command","recording","history","tracking"],"name":"mango""#
        ),
        "{told}"
    );
}

#[test]
fn check_shows_what_is_in_effect_and_no_secret() {
    let desk = Desk::new();
    desk.file("secret", "hush-hush");
    desk.file(
        "ringcard.toml",
        "[ops]\ntoken = \"file:secret\"\n[log]\nlevel = \"debug\"\n",
    );
    let told = desk.tell(&["check", "--print"], "");
    assert!(told.contains("token = \"file:secret\""), "{told}");
    assert!(told.contains("level = \"debug\""));
    assert!(told.contains("read_connections = 4"));
    assert!(!told.contains("hush"));
}

#[test]
fn people_and_clients_come_in_twice_without_doubling() {
    let desk = Desk::new();
    desk.file(
        "office.toml",
        "[[person]]\nlogin = \"anna\"\nname = \"Anna\"\nrole = \"manager\"\ndepartment = \"Sales\"\n\
         deputy = \"boris\"\nextensions = { office = [\"101\"] }\n\
         [[person]]\nlogin = \"boris\"\nname = \"Boris\"\nrole = \"head\"\n\
         [[group]]\nname = \"sales\"\nstrategy = \"longest_idle\"\nmembers = [\"anna\", \"boris\"]\n\
         [[line]]\naccount = \"office\"\nnumber = \"8 495 000-00-01\"\nname = \"Main\"\n\
         group = \"sales\"\nchannel = \"Site\"\n",
    );
    desk.file(
        "clients.csv",
        "phones,name,owner\n\"+74950000011;+74950000012\",Client One,anna\n+74950000013,Two,\nx,Three,\n",
    );
    for turn in [
        "{\"created\":2,\"refused\":1,\"updated\":0}",
        "{\"created\":0,\"refused\":1,\"updated\":2}",
    ] {
        desk.tell(&["import", "office", "office.toml"], "");
        assert_eq!(
            desk.tell(&["import", "clients", "clients.csv"], "").trim(),
            turn
        );
    }
    desk.file(
        "torn.csv",
        "phones,name\n\"+74950000011,+74950000013\",Both\n",
    );
    let torn = desk.run(&["import", "clients", "torn.csv"], "");
    let told = String::from_utf8(torn.stderr).unwrap();
    assert!(
        told.contains("line 2: its numbers belong to several cards"),
        "{told}"
    );
    let people = desk.tell(&["user", "list"], "");
    assert!(
        people.contains("anna") && people.contains("head"),
        "{people}"
    );
    assert_eq!(people.lines().count(), 2);
}

#[test]
fn spend_comes_in_by_command_and_again_without_doubling() {
    let desk = Desk::new();
    desk.file(
        "office.toml",
        "[[line]]\naccount = \"office\"\nnumber = \"8 495 000-00-01\"\nname = \"Main\"\n\
         channel = \"Site\"\n",
    );
    desk.tell(&["import", "office", "office.toml"], "");
    let csv = "channel,from,to,amount,currency\nSite,2026-11-01,2026-11-30,9000,RUB\n\
               Other,2026-11-01,2026-11-30,1,RUB\n";
    for turn in [
        "{\"created\":1,\"refused\":1,\"replaced\":0}",
        "{\"created\":0,\"refused\":1,\"replaced\":1}",
    ] {
        let output = desk.run(&["import", "spend", "-"], csv);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), turn);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("line 3: there is no such channel"), "{told}");
    }
    let wrong = desk.run(&["import", "spend", "-"], "a,b\n");
    assert_eq!(wrong.status.code(), Some(1));
}

#[test]
fn the_doctor_finds_what_is_wrong_and_sets_figures_right() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.file("token", "larch-office-key-of-the-lab");
    let chmod = |name: &str, mode| {
        let file = desk.0.join(name);
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    };
    desk.file(
        "ringcard.toml",
        "[ops]\ntoken = \"file:token\"\nmin_free_mib = 1\n\
         [recordings]\nfolder = \".\"\n",
    );
    chmod("ringcard.toml", 0o600);
    chmod("token", 0o600);
    let findings = |output: &Output| -> Vec<serde_json::Value> {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let wrong = |output: &Output| -> Vec<String> {
        let found = findings(output).into_iter();
        let wrong = found.filter(|one| one["verdict"] == "wrong");
        wrong
            .map(|one| one["check"].as_str().unwrap().to_owned())
            .collect()
    };
    // A database that has never been brought up to date is not touched.
    let output = desk.run(&["doctor", "--json"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    desk.tell(&["migrate"], "");
    chmod("ringcard.db", 0o600);
    let output = desk.run(&["doctor", "--json", "--recount"], "");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = findings(&output);
    for check in [
        "migrations",
        "integrity",
        "letters",
        "certificate",
        "disk",
        "permissions",
        "figures",
    ] {
        assert!(
            found.iter().any(|one| one["check"] == check),
            "{check}: {found:?}"
        );
    }
    chmod("token", 0o644);
    let output = desk.run(&["doctor", "--json"], "");
    assert_eq!(
        (output.status.code(), wrong(&output)),
        (Some(1), vec!["permissions".to_owned()])
    );
    chmod("token", 0o600);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = ringcard::store::Settings {
        url: format!("sqlite:{}", desk.0.join("ringcard.db").display()),
        ..Default::default()
    };
    runtime.block_on(async {
        let db = ringcard::store::Db::open(&settings).await.unwrap();
        let sql = "insert into rollup (quarter, line, person, writer, direction, calls, answered,
            missed, talk_ms, wait_ms, ring_ms) values (96, 0, 0, 1, 'in', 1, 0, 1, 0, 0, 0)";
        ringcard::on_write!(&db, pool => sqlx::query(sql).execute(pool).await.map(drop)).unwrap();
        db.close().await;
    });
    let output = desk.run(&["doctor", "--json", "--recount"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(findings(&output)[0]["difference"]["stored"][0], 1);
    let repaired = desk.run(&["doctor", "--recount", "--repair", "--quick"], "");
    assert_eq!(repaired.status.code(), Some(0), "{repaired:?}");
    let told = desk.tell(&["doctor", "--recount"], "");
    assert!(told.contains("ok      figures that differ"), "{told}");
    assert_eq!(desk.run(&["doctor", "--repair"], "").status.code(), Some(2));
}

#[test]
fn the_first_administrator_gets_a_link() {
    let desk = Desk::new();
    let link = desk.tell(&["user", "add", "root", "--role", "administrator"], "");
    assert!(link.starts_with("http://127.0.0.1:8080/sign-in/"), "{link}");
    let again = desk.run(&["user", "add", "root"], "");
    assert_eq!(again.status.code(), Some(1));
    let other = desk.tell(&["user", "link", "root"], "");
    assert_ne!(link, other);
    assert_eq!(
        desk.run(&["user", "password", "root"], "short\n")
            .status
            .code(),
        Some(1)
    );
    desk.tell(&["user", "password", "root"], "long enough to be taken\n");
}

#[test]
fn who_has_left_is_switched_off() {
    let desk = Desk::new();
    desk.tell(&["user", "add", "anna"], "");
    assert!(!desk.tell(&["user", "list"], "").contains("inactive"));
    desk.tell(&["user", "off", "anna"], "");
    assert!(desk.tell(&["user", "list"], "").contains("inactive"));
    desk.tell(&["user", "on", "anna"], "");
    assert!(!desk.tell(&["user", "list"], "").contains("inactive"));
    assert_eq!(
        desk.run(&["user", "off", "nobody"], "").status.code(),
        Some(1)
    );
}

#[test]
fn who_leaves_hands_over_and_the_last_administrator_stays() {
    let desk = Desk::new();
    desk.tell(&["user", "add", "root", "--role", "administrator"], "");
    for login in ["anna", "boris"] {
        desk.tell(&["user", "add", login], "");
    }
    desk.file(
        "clients.csv",
        "phones,name,owner\n+7 495 000-00-11,Vera,anna\n+7 495 000-00-12,Petr,anna\n",
    );
    desk.tell(&["import", "clients", "clients.csv"], "");
    let last = desk.run(&["user", "off", "root"], "");
    assert_eq!(last.status.code(), Some(1));
    let keeps = desk.tell(&["user", "off", "anna"], "");
    assert!(keeps.contains("keeps 2 clients and 0 open"), "{keeps}");
    // Not to the person, and not to who may not change cards.
    for taker in ["anna", "boris,root"] {
        let refused = desk.run(&["user", "off", "anna", "--hand-to", taker], "");
        assert_eq!(refused.status.code(), Some(1), "{taker}");
    }
    let handed = desk.tell(&["user", "off", "anna", "--hand-to", "boris"], "");
    assert!(handed.contains("2 clients, 0 open call-backs"), "{handed}");
    let again = desk.tell(&["user", "off", "anna"], "");
    assert!(again.contains("keeps 0 clients"), "{again}");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let desk = Desk::new();
    desk.tell(&["user", "add", "oleg", "--role", "owner"], "");
    let add = ["token", "add", "Site", "--person", "oleg", "--scope"];
    let made = desk.tell(&[&add[..], &["calls:read", "--days", "30"]].concat(), "");
    let token = made.trim();
    assert!(token.starts_with("rc_"), "{token}");
    let list = desk.tell(&["token", "list"], "");
    assert!(list.contains("Site") && list.contains("oleg") && list.contains("calls:read"));
    assert!(!list.contains(token), "only its beginning is shown");
    desk.tell(&["token", "revoke", "1"], "");
    assert!(desk.tell(&["token", "list"], "").contains("revoked"));
    let scopes = desk.tell(&["token", "scopes"], "");
    assert!(scopes.lines().any(|word| word == "touches:write"));
    for wrong in [
        &[&add[..], &["everything"]].concat()[..],
        &["token", "add", "Site", "--scope", "calls:read"],
        &[
            "token",
            "add",
            "x",
            "--person",
            "nobody",
            "--scope",
            "calls:read",
        ],
        &[
            "token",
            "add",
            "x",
            "--service",
            "manager",
            "--scope",
            "calls:read",
        ],
        &["token", "revoke", "1"],
    ] {
        assert!(!desk.run(wrong, "").status.success(), "{wrong:?}");
    }
}

#[test]
fn numbers_and_audio_are_explained_as_json() {
    let desk = Desk::new();
    let told = desk.tell(
        &["inspect", "phone", "--area-code", "495"],
        "8 (495) 000-00-11\n112\n",
    );
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["number"]["e164"]["e164"], "+74950000011");
    assert_eq!(lines[1]["number"]["service"], "112");
    desk.file("page.mp3", "<!doctype html><title>Sign in</title>");
    let told = desk.tell(&["inspect", "audio", "page.mp3"], "");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["refused"], "web_page");
}

#[test]
fn an_empty_journal_exports_to_nothing() {
    let desk = Desk::new();
    assert_eq!(desk.tell(&["export", "calls"], ""), "");
    let refused = desk.run(&["export", "calls", "--from", "yesterday"], "");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_fixture_is_replayed_by_the_code_that_runs_in_production() {
    let desk = Desk::new();
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/pbx/mango/answered"
    );
    let told = desk.tell(&["replay", folder], "");
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 5 && lines[0]["fact"].is_object());
    let calls: Vec<&serde_json::Value> = lines.iter().filter_map(|line| line.get("call")).collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["result"], "answered");
    assert_eq!(calls[0]["direction"], "in");
}

/// A server that runs in its own process.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(desk: &Desk, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringcard"))
            .arg("serve")
            .current_dir(&desk.0)
            .env("RINGCARD__SERVER__LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once("address=")?.1.trim().to_owned()))
            .expect("it says where it listens");
        // Somebody must go on reading, or the server would wait for its log.
        std::thread::spawn(move || log.for_each(drop));
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Asks it to stop, as systemd does, and gives its exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_call_goes_from_the_socket_to_the_export_and_a_stop_loses_nothing() {
    let desk = Desk::new();
    desk.file(
        "ringcard.toml",
        "[[pbx]]\nname = \"office\"\ntype = \"sipuni\"\ntoken = \"env:OFFICE_TOKEN\"\n",
    );
    let token = "k3Vd9Qw2Zr7Lm5Xp8Tn4Bc";
    let served = Served::start(&desk, &[("OFFICE_TOKEN", token)]);
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/pbx/sipuni/answered"
    );
    let input = fs::read_to_string(format!("{folder}/input.jsonl")).unwrap();
    let theirs = "p7QmZ2c9Yt4Ls8Xw1Ke6Vb";
    for line in input.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let path = message["path"].as_str().unwrap().replace(theirs, token);
        let query = message["query"].as_str().unwrap();
        let answer = served.get(&format!("/hooks/office{path}?{query}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(
        served
            .get("/hooks/office/wrong/")
            .starts_with("HTTP/1.1 404")
    );
    assert_eq!(served.terminate(), Some(0));

    let calls = desk.run_with(&["export", "calls"], &[("OFFICE_TOKEN", token)]);
    let call: serde_json::Value = serde_json::from_str(calls.lines().next().unwrap()).unwrap();
    assert_eq!(call["result"], "answered");
    assert_eq!(call["account"], "office");
    assert!(call["card"].is_string(), "the first call made a card");
    assert_eq!(calls.lines().count(), 1);
    let sheet = desk.run_with(
        &["export", "calls", "--format", "csv"],
        &[("OFFICE_TOKEN", token)],
    );
    assert_eq!(sheet.lines().count(), 2);
    assert!(sheet.starts_with("id,account,call_key,"));
    for (filter, calls) in [
        (["--direction", "in"], 1),
        (["--direction", "out"], 0),
        (["--result", "answered"], 1),
        (["--result", "unreached"], 0),
        (["--line", "+74950000000"], 0),
        (["--channel", "Site"], 0),
        (["--person", "anna"], 0),
    ] {
        let asked = [&["export", "calls"][..], &filter[..]].concat();
        let told = desk.run_with(&asked, &[("OFFICE_TOKEN", token)]);
        assert_eq!(told.lines().count(), calls, "{filter:?}");
    }
    let did = call["did"].as_str().unwrap();
    let asked = ["export", "calls", "--line", did];
    assert_eq!(
        desk.run_with(&asked, &[("OFFICE_TOKEN", token)])
            .lines()
            .count(),
        1
    );
    let unknown = desk.run(&["export", "calls", "--result", "lost"], "");
    assert_eq!(unknown.status.code(), Some(2));
}

#[tokio::test]
async fn dead_letters_are_taken_in_again() {
    let desk = Desk::new();
    desk.file(
        "ringcard.toml",
        "[[pbx]]\nname = \"office\"\ntype = \"mango\"\n\
         vpbx_api_key = \"env:LAB_KEY\"\nvpbx_api_salt = \"env:LAB_KEY\"\n",
    );
    let secret = [("LAB_KEY", "larch-office-key")];
    desk.run_with(&["migrate"], &secret);
    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/pbx/mango/answered/input.jsonl"
    );
    let recorded = fs::read_to_string(recorded).unwrap();
    let request: serde_json::Value =
        serde_json::from_str(recorded.lines().next().unwrap()).unwrap();
    let settings = ringcard::store::Settings {
        url: format!("sqlite:{}", desk.0.join("ringcard.db").display()),
        ..Default::default()
    };
    let db = ringcard::store::Db::open(&settings).await.unwrap();
    for body in [request.to_string(), "gibberish".to_owned()] {
        ringcard::on_write!(&db, pool => {
            sqlx::query(
                "insert into raw (account, received_at, source, body, outcome, reason)
                 values ('office', 1775458800300000, 'webhook', $1, 'undecodable', '')",
            )
            .bind(body.into_bytes())
            .execute(pool)
            .await
            .map(drop)
        })
        .unwrap();
    }
    let told = desk.run_with(&["replay", "--dead-letters"], &secret);
    let fates: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // The newest first.
    assert_eq!(fates[0]["fate"], "unread");
    assert_eq!(
        (&fates[1]["fate"], &fates[1]["letter"]),
        (&"applied".into(), &1.into())
    );
    let again = desk.run_with(&["replay", "--dead-letters"], &secret);
    assert_eq!(again.lines().count(), 1, "{again}");
    let (calls,): (i64,) = ringcard::on_read!(&db, pool => {
        sqlx::query_as("select count(*) from call").fetch_one(pool).await
    })
    .unwrap();
    assert_eq!(calls, 1);
    assert_eq!(desk.run(&["replay"], "").status.code(), Some(2));
    db.close().await;
}
