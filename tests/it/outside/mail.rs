//! Missed calls as mail, told to a mail server over a real socket.

use std::sync::{Arc, Mutex};

use ringcard::delivery::{MailSettings, Settings};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::story::{CLIENT, Story};
use crate::{store::told::Told, support::base::Base};

/// A mail server that takes one kind of sender and keeps what it gets (RFC 5321, the least of it).
struct MailServer {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl MailServer {
    /// Refuses the first `refusals` mails for the time being.
    async fn start(refusals: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&mails);
        let left = Arc::new(Mutex::new(refusals));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, left) = (Arc::clone(&kept), Arc::clone(&left));
                tokio::spawn(async move {
                    // A client that hangs up is no trouble.
                    let _ = talk(stream, &kept, &left).await;
                });
            }
        });
        Self { port, mails, task }
    }
}

async fn talk(
    mut stream: TcpStream,
    kept: &Mutex<Vec<String>>,
    left: &Mutex<usize>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    write
        .write_all(b"220 mail.company.example ready\r\n")
        .await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_uppercase();
        let is_busy = verb == "MAIL" && {
            let mut left = left.lock().unwrap();
            let busy = *left > 0;
            *left = left.saturating_sub(1);
            busy
        };
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-mail.company.example\r\n250 8BITMIME\r\n",
            "MAIL" if is_busy => b"451 later, please\r\n",
            "RCPT" if line.contains("gone@") => b"550 no such mailbox\r\n",
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                kept.lock().unwrap().push(mail);
                b"250 taken\r\n"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => b"250 well\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

async fn story(server: &MailServer) -> Story {
    let mail: MailSettings = toml::from_str(&format!(
        "host = '127.0.0.1'\nport = {}\ntls = 'none'\nfrom = 'calls@company.example'\nlanguage = 'en'",
        server.port
    ))
    .unwrap();
    Story::begin_with(Base::sqlite().await, &Settings::default(), &mail)
}

#[tokio::test]
async fn a_missed_call_comes_as_mail_also_when_the_server_is_busy_at_first() {
    let server = MailServer::start(1).await;
    let story = story(&server).await;
    story
        .subscribe("mailto:head@company.example", "call.missed")
        .await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.work().await;
    assert_eq!(
        story.states().await,
        [("waiting".to_owned(), "mail_later".to_owned())]
    );
    story.pass(10, 5).await;
    assert_eq!(story.states().await, [("done".to_owned(), String::new())]);
    let mails = server.mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 1);
    for part in [
        "From: calls@company.example",
        "To: head@company.example",
        "Subject: Missed call: +74950000011",
        "Number: +74950000011",
        "Open: https://calls.company.example/calls/",
        "Message-ID: <msg_",
    ] {
        assert!(mails[0].contains(part), "{part} in {}", mails[0]);
    }
    story.writer.close().await;
}

#[tokio::test]
async fn a_mailbox_that_is_gone_fails_at_once_and_visibly() {
    let server = MailServer::start(0).await;
    let story = story(&server).await;
    story
        .subscribe("mailto:gone@company.example", "call.missed")
        .await;
    story
        .commit(Told::incoming("1", CLIENT, 0).missed("201"))
        .await;
    story.work().await;
    assert_eq!(
        story.states().await,
        [("failed".to_owned(), "mail_refused".to_owned())]
    );
    assert!(server.mails.lock().unwrap().is_empty());
    story.writer.close().await;
}
