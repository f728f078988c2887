use ringcard::bench::{Options, seed::Size, stage::Store};
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n = |i: usize| a[i].parse::<usize>().unwrap();
    let options = Options {
        store: if a[1] == "sqlite" {
            Store::Sqlite
        } else {
            Store::Postgres
        },
        size: Size {
            people: 500,
            clients: n(2),
            calls: n(3),
        },
        rounds: n(4),
        connections: n(5),
        folder: None,
    };
    let t = std::time::Instant::now();
    let r = ringcard::bench::ingest::run(&options).await.unwrap();
    println!("{} {:?}", serde_json::to_string(&r).unwrap(), t.elapsed());
}
