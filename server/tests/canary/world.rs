//! A gateway as a process, and a player who says all kinds of things to it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use ureq::Agent;

use crate::operator::{DEADLINE, GatewayProcess, Place, agent, until};
use crate::search::Canaries;

/// A gateway, a player's client, and what the gateway said when it refused.
pub struct World {
    pub place: Place,
    pub gateway: GatewayProcess,
    pub agent: Agent,
    pub canaries: Canaries,
    /// Answers that were no success: those must not repeat a secret either.
    pub refusals: Vec<u8>,
}

impl World {
    pub fn new() -> Self {
        let place = Place::new(
            "registration = \"invite\"\nhead_timeout_ms = 1000\npassword_deadline_ms = 1000\nrequest_timeout_ms = 1500",
            "[log]\nfilter = \"trace\"",
        );
        let gateway = GatewayProcess::start(&place);
        let agent = agent(&place);
        Self { place, gateway, agent, canaries: Canaries::default(), refusals: Vec::new() }
    }

    pub fn post(&mut self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        self.post_raw(path, token, "application/json", body.to_string().as_bytes())
    }

    pub fn post_raw(&mut self, path: &str, token: Option<&str>, kind: &str, body: &[u8]) -> (u16, Value) {
        let mut request =
            self.agent.post(format!("{}{path}", self.gateway.url())).header("content-type", kind);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let response = request.send(body);
        self.answer(response)
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.agent.get(format!("{}{path}", self.gateway.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.call();
        self.answer(response)
    }

    fn answer(&mut self, response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Value) {
        let mut response = response.expect("an answer");
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().expect("a body");
        if status >= 300 {
            self.refusals.extend_from_slice(format!("{:?}{text}\n", response.headers()).as_bytes());
        }
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The tokens of an answer, known as secrets from now on.
    pub fn session(&mut self, (status, body): (u16, Value)) -> (String, String) {
        assert!(status == 200 || status == 201, "{status}: {body}");
        let text = |field: &str| body[field].as_str().expect("a token").to_owned();
        let access = self.canaries.bytes("an access token", &text("access_token"));
        (format!("Bearer {access}"), self.canaries.bytes("a refresh token", &text("refresh_token")))
    }

    /// Logs in as often as it takes: registering and failing use up what an address may try in a minute.
    pub fn login(&mut self, name: &str, password: &str) -> (String, String) {
        let body = json!({ "name": name, "password": password, "device": "a telephone" });
        let answer = until("a login", || {
            let answer = self.post("/v1/login", None, &body);
            (answer.0 != 429 && answer.0 != 503).then_some(answer)
        });
        self.session(answer)
    }

    /// Bytes that are no request, over TLS or without.
    pub fn garbage(&self, bytes: &[u8]) {
        let mut stream = TcpStream::connect(self.gateway.address).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.write_all(bytes).expect("sends");
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// The same behind a TLS handshake: text that hyper has to make sense of.
    pub fn malformed(&self, bytes: &[u8]) {
        let mut roots = rustls::RootCertStore::empty();
        let certificate = self.place.certificate();
        for root in CertificateDer::pem_slice_iter(&certificate) {
            roots.add(root.expect("PEM")).expect("a certificate");
        }
        let provider = Arc::new(default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(self.gateway.address).expect("connects");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        let mut stream = rustls::StreamOwned::new(connection, stream);
        let _ = stream.write_all(bytes);
        let _ = stream.flush();
        stream.conn.send_close_notify();
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
    }
}
