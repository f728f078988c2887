//! How the connection of an account comes about: we dial the PBX, or it dials us.
//!
//! Where it dials us we listen only while it is not connected: whoever else comes meanwhile is refused
//! by the system, and who comes first has to show that it is the PBX, or its connection ends.

use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, RootCertStore, ServerConfig,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use tokio_util::either::Either;

use crate::pbx::{Detail, Fault, Intake, Shown, Tls};

/// A connection, in clear text or not.
pub(in crate::flow) type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// The next connection, or why there is none.
pub(in crate::flow) async fn connect(intake: &Intake, patience: Duration) -> Result<Socket, Fault> {
    match intake {
        Intake::Dial { address, tls } => timeout(patience, dial(address, tls.as_ref()))
            .await
            .unwrap_or(Err(Fault::Late)),
        Intake::Listen { address, shown } => listen(address, shown.as_ref(), patience).await,
        Intake::Webhook => Err(Fault::Posts),
    }
}

/// Whether somebody had dialled us: the next may come at once, whoever this was.
pub(in crate::flow) fn has_come(intake: &Intake, why: &Fault) -> bool {
    let is_dialled = matches!(intake, Intake::Listen { .. });
    let is_ours = match why {
        Fault::Deaf(_) => true,
        Fault::Untrusted(why) => why.word == "no_file",
        _ => false,
    };
    is_dialled && !is_ours
}

async fn listen(
    address: &SocketAddr,
    shown: Option<&Shown>,
    patience: Duration,
) -> Result<Socket, Fault> {
    // Before anybody can come: a file that cannot be used is told at once.
    if let Some(shown) = shown {
        acceptor(shown).await.map_err(Fault::Untrusted)?;
    }
    let deaf = |error: io::Error| Fault::Deaf(error.into());
    let listener = TcpListener::bind(address).await.map_err(deaf)?;
    let (socket, _) = listener.accept().await.map_err(deaf)?;
    drop(listener);
    let Some(shown) = shown else {
        return Ok(Either::Left(socket));
    };
    // It may have been renewed in the weeks before.
    let acceptor = acceptor(shown).await.map_err(Fault::Untrusted)?;
    let secured = timeout(patience, acceptor.accept(socket)).await;
    let secured = secured.map_err(|_| Fault::Late)?;
    let secured = secured.map_err(untrusted)?;
    Ok(Either::Right(secured.into()))
}

/// What we show.
async fn acceptor(shown: &Shown) -> Result<TlsAcceptor, Detail> {
    let unusable = |path: &Path, error: &dyn fmt::Display| {
        Detail::new("no_file", format!("{}: {error}", path.display()))
    };
    let chain = read(&shown.certificate).await?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.map_err(|error| unusable(&shown.certificate, &error))?;
    let key = read(&shown.key).await?;
    let key = PrivateKeyDer::from_pem_slice(&key);
    let key = key.map_err(|error| unusable(&shown.key, &error))?;
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map(|server| server.with_no_client_auth())
        .and_then(|server| server.with_single_cert(chain, key));
    let server = server.map_err(|error| unusable(&shown.certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(server)))
}

async fn read(path: &Path) -> Result<Vec<u8>, Detail> {
    let file = tokio::fs::read(path).await;
    file.map_err(|error| Detail::new("no_file", format!("{}: {error}", path.display())))
}

/// What a handshake came to.
fn untrusted(error: io::Error) -> Fault {
    use CertificateError as Bad;
    let of_tls = error.get_ref().and_then(|error| error.downcast_ref());
    let word = match of_tls {
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::UnknownIssuer => "unknown_authority",
            Bad::Expired | Bad::ExpiredContext { .. } => "expired",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "other_name",
            _ => "",
        },
        Some(rustls::Error::InvalidMessage(_)) => "no_tls",
        _ => return Fault::Untrusted(error.into()),
    };
    Fault::Untrusted(Detail::new(word, error))
}

async fn dial(address: &str, tls: Option<&Tls>) -> Result<Socket, Fault> {
    let socket = TcpStream::connect(address).await;
    let socket = socket.map_err(|error| Fault::Unreachable(error.into()))?;
    let Some(tls) = tls else {
        return Ok(Either::Left(socket));
    };
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(tls.name.as_deref().unwrap_or(host).to_owned());
    let name = name.map_err(|error| Fault::Untrusted(Detail::new("no_name", error)))?;
    let trust = trust(tls).await.map_err(Fault::Untrusted)?;
    let secured = TlsConnector::from(Arc::new(trust))
        .connect(name, socket)
        .await;
    secured
        .map(|socket| Either::Right(socket.into()))
        .map_err(untrusted)
}

/// Whom we trust.
async fn trust(tls: &Tls) -> Result<ClientConfig, Detail> {
    let unusable = |error: &dyn fmt::Display| Detail::new("", error);
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| unusable(&error))?;
    let Some(path) = &tls.authority else {
        let builder = builder.with_platform_verifier();
        let builder = builder.map_err(|error| unusable(&error))?;
        return Ok(builder.with_no_client_auth());
    };
    let file = read(path).await?;
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(&file) {
        let authority = authority.map_err(|error| unusable(&error))?;
        roots.add(authority).map_err(|error| unusable(&error))?;
    }
    if roots.is_empty() {
        let words = format!("{} holds no certificate", path.display());
        return Err(Detail::new("no_file", words));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::ErrorKind};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn file(name: &str) -> String {
        format!("tests/fixtures/tls/{name}")
    }

    fn shown(certificate: &str, key: &str) -> Shown {
        Shown {
            certificate: file(certificate).into(),
            key: file(key).into(),
        }
    }

    /// Where nobody else listens, and nobody dials from: that is done at 127.0.0.1.
    async fn free_address() -> SocketAddr {
        let free = TcpListener::bind("127.0.73.1:0").await.unwrap();
        free.local_addr().unwrap()
    }

    /// Dials as soon as somebody listens.
    async fn reach(address: SocketAddr) -> TcpStream {
        loop {
            match TcpStream::connect(address).await {
                Ok(pbx) => return pbx,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[tokio::test]
    async fn who_is_to_be_dialled_by_is_let_in_once_at_a_time() {
        let address = free_address().await;
        for _ in 0..2 {
            let intake = Intake::Listen {
                address,
                shown: None,
            };
            let waiting = tokio::spawn(async move { connect(&intake, PATIENCE).await });
            let pbx = reach(address).await;
            let Ok(Either::Left(ours)) = waiting.await.unwrap() else {
                panic!("it is let in, in clear text");
            };
            assert_eq!(ours.peer_addr().unwrap(), pbx.local_addr().unwrap());
            assert!(TcpStream::connect(address).await.is_err(), "one is enough");
        }
    }

    #[tokio::test]
    async fn who_dials_us_over_tls_sees_our_certificate_and_nobody_is_heard_in_the_clear() {
        let address = free_address().await;
        let listen = |shown, patience| {
            let intake = Intake::Listen {
                address,
                shown: Some(shown),
            };
            tokio::spawn(async move { connect(&intake, patience).await })
        };
        let waiting = listen(shown("server.pem", "server.key"), PATIENCE);
        let tls = Tls {
            authority: Some(file("authority.pem").into()),
            name: None,
        };
        let trust = TlsConnector::from(Arc::new(trust(&tls).await.unwrap()));
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut pbx = trust.connect(name, reach(address).await).await.unwrap();
        let Ok(mut ours @ Either::Right(_)) = waiting.await.unwrap() else {
            panic!("it is let in, over TLS");
        };
        pbx.write_all(b"hello").await.unwrap();
        let mut said = [0; 5];
        ours.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        drop((ours, pbx));

        let waiting = listen(shown("server.pem", "server.key"), PATIENCE);
        let mut pbx = reach(address).await;
        pbx.write_all(b"GET /ari HTTP/1.1\r\n\r\n").await.unwrap();
        let why = waiting.await.unwrap().err();
        let is_no_tls = |why: &Detail| why.word == "no_tls";
        assert!(
            matches!(&why, Some(Fault::Untrusted(why)) if is_no_tls(why)),
            "{why:?}"
        );

        let hurried = listen(shown("server.pem", "server.key"), Duration::from_millis(20));
        let _silent = reach(address).await;
        let why = hurried.await.unwrap().err();
        assert!(matches!(why, Some(Fault::Late)), "{why:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_shown_is_told_before_anybody_has_come() {
        let address = free_address().await;
        for (certificate, key, named) in [
            ("nothing.pem", "server.key", "nothing.pem"),
            ("server.pem", "authority.pem", "authority.pem"),
            ("server.key", "server.key", "server.key"),
            ("authority.pem", "server.key", "authority.pem"),
        ] {
            let shown = Some(shown(certificate, key));
            let intake = Intake::Listen { address, shown };
            let why = connect(&intake, PATIENCE).await.err().unwrap().to_string();
            assert!(why.starts_with("no TLS: ") && why.contains(named), "{why}");
        }
    }

    #[tokio::test]
    async fn what_is_shown_is_read_again_when_somebody_comes() {
        let own = format!("ringcard-{}.pem", uuid::Uuid::now_v7());
        let own = std::env::temp_dir().join(own);
        fs::copy(file("server.pem"), &own).unwrap();
        let shown = Some(Shown {
            certificate: own.clone(),
            key: file("server.key").into(),
        });
        let address = free_address().await;
        let waiting = async {
            let intake = Intake::Listen { address, shown };
            connect(&intake, PATIENCE).await.err().unwrap()
        };
        let replacing = async {
            // Nothing else runs between connecting and replacing: neither waits for anything here.
            let pbx = loop {
                match std::net::TcpStream::connect(address) {
                    Ok(pbx) => break pbx,
                    Err(_) => tokio::task::yield_now().await,
                }
            };
            fs::remove_file(&own).unwrap();
            pbx
        };
        let (why, _pbx) = tokio::join!(waiting, replacing);
        let is_no_file = |why: &Detail| why.word == "no_file";
        assert!(
            matches!(&why, Fault::Untrusted(why) if is_no_file(why)),
            "{why:?}"
        );
    }

    #[test]
    fn only_who_has_dialled_us_makes_room_for_the_next_at_once() {
        let address = "127.0.0.1:1".parse().unwrap();
        let shown = None;
        let listen = Intake::Listen { address, shown };
        let dial = Intake::Dial {
            address: "127.0.0.1:1".to_owned(),
            tls: None,
        };
        let untrusted = |word| Fault::Untrusted(Detail::new(word, "x"));
        for (why, wanted) in [
            (Fault::Closed, true),
            (Fault::Uninvited, true),
            (untrusted("no_tls"), true),
            (untrusted("no_file"), false),
            (Fault::Deaf(Detail::new("taken", "x")), false),
        ] {
            assert_eq!(has_come(&listen, &why), wanted, "{why}");
            assert!(!has_come(&dial, &why), "{why}");
        }
    }

    #[tokio::test]
    async fn who_posts_is_not_connected() {
        assert!(connect(&Intake::Webhook, PATIENCE).await.is_err());
    }

    /// What `address` says in the clear behind TLS, or why it is not heard.
    async fn said(address: String, authority: &str, name: Option<&str>) -> Result<String, Fault> {
        let tls = Some(Tls {
            authority: (!authority.is_empty()).then(|| authority.into()),
            name: name.map(str::to_owned),
        });
        let mut socket = connect(&Intake::Dial { address, tls }, PATIENCE).await?;
        let mut said = String::new();
        socket.read_to_string(&mut said).await.unwrap();
        Ok(said)
    }

    #[tokio::test]
    async fn who_is_dialled_over_tls_must_be_whom_we_trust() {
        let acceptor = acceptor(&shown("server.pem", "server.key")).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if let Ok(mut socket) = acceptor.accept(socket).await {
                    let _ = socket.write_all(b"hello").await;
                    let _ = socket.shutdown().await;
                }
            }
        });
        let at = |host: &str| format!("{host}:{port}");
        let authority = file("authority.pem");
        let heard = said(at("127.0.0.1"), &authority, None).await;
        assert_eq!(heard, Ok("hello".to_owned()));
        let named = said(at("127.0.0.1"), &authority, Some("pbx.example")).await;
        assert_eq!(named, Ok("hello".to_owned()));
        for (authority, name, word) in [
            (authority.as_str(), Some("other.example"), "other_name"),
            (authority.as_str(), Some("no name"), "no_name"),
            ("", None, "unknown_authority"), // the system does not know it
            ("tests/fixtures/tls/server.key", None, "no_file"),
            ("tests/fixtures/tls/nothing.pem", None, "no_file"),
        ] {
            let heard = said(at("127.0.0.1"), authority, name).await;
            let Err(Fault::Untrusted(why)) = heard else {
                panic!("{authority} {name:?}: {heard:?}");
            };
            assert_eq!(why.word, word, "{why}");
        }
        serving.abort();
    }
}
