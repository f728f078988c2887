//! Legal holds from the command line.

use ringcard::on_write;
use serde_json::Value;
use uuid::Uuid;

use super::place::{Folder, Place};

#[tokio::test]
async fn a_hold_is_set_listed_and_lifted_by_command() {
    let folder = Folder::new();
    let place = Place::sqlite(&folder.0);
    place.run(&["migrate"]).await;
    let db = place.open().await;
    let id = Uuid::now_v7();
    on_write!(&db, pool => {
        sqlx::query("insert into card (id, created_at, updated_at) values ($1, 0, 0)")
            .bind(id)
            .execute(pool)
            .await
            .unwrap();
    });
    let card = format!("card:{id}");
    let add = |object: &str| {
        let object = object.to_owned();
        let place = &place;
        async move {
            let arguments = ["hold", "add", &object, "--reason", "a claim"];
            place.run(&arguments).await
        }
    };
    let listed = async || {
        let output = place.run(&["hold", "list"]).await;
        String::from_utf8(output.stdout).unwrap()
    };
    for wrong in [
        format!("call:{id}"),
        format!("card:{}", Uuid::now_v7()),
        format!("card:{}", id.simple()),
        "card".to_owned(),
    ] {
        assert!(!add(&wrong).await.status.success(), "{wrong}");
    }
    let silent = ["hold", "add", card.as_str(), "--reason", " "];
    assert!(place.refuse(&silent).await.contains("reason"));
    assert_eq!(listed().await, "");

    assert!(add(&card).await.status.success());
    assert!(add(&card).await.status.success(), "it is on already");
    let line: Value = serde_json::from_str(&listed().await).unwrap();
    assert_eq!(line["object"], card.as_str());
    assert_eq!(line["reason"], "a claim");
    let erase = ["erase", "--card", &id.to_string()];
    assert!(place.refuse(&erase).await.contains("hold"));

    let lift = ["hold", "lift", card.as_str()];
    assert!(place.run(&lift).await.status.success());
    assert!(place.refuse(&lift).await.contains("under no hold"));
    assert_eq!(listed().await, "");
    let deeds: Vec<(String,)> = ringcard::on_read!(&db, pool => {
        sqlx::query_as("select action from audit where object = $1 order by id")
            .bind(&card)
            .fetch_all(pool)
            .await
            .unwrap()
    });
    let deeds: Vec<&str> = deeds.iter().map(|(action,)| action.as_str()).collect();
    assert_eq!(deeds, ["hold", "hold", "release"]);
    db.close().await;
}
