//! Outputs that are named by a URL.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// The program in an empty folder, where the environment names no cloud.
fn program_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["AWS_", "AZURE_", "GOOGLE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(&*name);
        }
    }
    command.current_dir(folder).args(arguments);
    command
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn an_unknown_scheme_is_2_and_nothing_is_written_or_said_of_its_password() {
    let folder = tempfile::tempdir().unwrap();
    for (url, shown) in [
        ("https://me:hidden@host/runs.jsonl", "\"https://…\""),
        ("postgres://me:hidden@host/runs", "\"postgres://…\""),
        (
            "postgres://me:hid/den@host/runs.parquet",
            "\"postgres://…\"",
        ),
        ("https://host/runs.jsonl?sig=hidden", "\"https://…\""),
        ("s3://key:hidden@bucket/runs.parquet", "\"s3://…\""),
        ("ftp://host/runs.jsonl", "\"ftp://host/runs.jsonl\""),
        ("hdfs://host/runs/", "\"hdfs://host/runs\""),
        ("s4://bucket", "\"s4://bucket\""),
        ("s3:///runs.parquet", "\"s3:///runs.parquet\""),
        ("file://host/runs.jsonl", "file://…"),
        ("file://me:hidden@host/runs.jsonl", "file://…"),
        ("file:///runs.jsonl?hidden", "file://…"),
    ] {
        let export = ["export", "--demo", "5", "--out", url];
        let several = ["export", "a/b", "a/c", "--token-file", "none", "--out", url];
        for arguments in [&export[..], &several, &["verify", url], &["status", url]] {
            let refused = program_in(folder.path(), arguments).assert().code(2);
            let message = stderr(&refused);
            let begin = format!("error: invalid OUT {shown}: it must be ");
            assert!(message.starts_with(&begin), "{arguments:?}: {message}");
            assert!(!message.contains("hid"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
            assert_eq!(names(folder.path()), [""; 0], "{arguments:?}");
        }
    }
    let refused = ["export", "--demo", "5", "--out", "ftp://host/runs.jsonl"];
    let refused = program_in(folder.path(), &refused).assert().code(2);
    let expected = "error: invalid OUT \"ftp://host/runs.jsonl\": it must be s3://bucket/prefix, \
                    gs://bucket/prefix, az://container/prefix or \
                    abfss://container@account.dfs.core.windows.net/prefix, file:///path or a path\n";
    assert_eq!(stderr(&refused), expected);
}

#[test]
fn a_checkpoint_is_no_url() {
    let folder = tempfile::tempdir().unwrap();
    let export = [
        "export",
        "--demo",
        "5",
        "--out",
        "runs.jsonl",
        "--checkpoint",
    ];
    for url in ["s3://bucket/checkpoint", "ftp://me:hidden@host/checkpoint"] {
        let refused = program_in(folder.path(), &export).arg(url).assert().code(2);
        let expected = "error: invalid --checkpoint: it must be a path or file:///path\n";
        assert_eq!(stderr(&refused), expected);
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

#[test]
fn a_name_with_a_colon_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a:b.jsonl", "s3:b.jsonl", "./a://b.jsonl"] {
        // Colons are not for Windows.
        if cfg!(windows) {
            break;
        }
        let export = ["export", "--demo", "5", "--out", name];
        program_in(folder.path(), &export).assert().success();
        assert_eq!(ids(&folder.path().join(name)).len(), 5, "{name}");
    }
    let inside = folder.path().join("c.jsonl");
    let inside = inside.to_str().unwrap();
    let export = ["export", "--demo", "5", "--out", inside];
    program_in(folder.path(), &export).assert().success();
    assert_eq!(ids(Path::new(inside)).len(), 5);
}

#[test]
fn a_file_url_is_the_path() {
    let service = Service::with_runs(9);
    let folder = tempfile::tempdir().unwrap();
    let root = url::Url::from_directory_path(folder.path()).unwrap();
    let root = root.as_str().strip_prefix("file").unwrap();

    let (out, checkpoint) = (
        format!("FILE{root}a%20b/runs.jsonl"),
        format!("file{root}c/d"),
    );
    let arguments = ["--checkpoint", &checkpoint];
    service.export(Path::new(&out), &arguments).success();
    assert_eq!(ids(&folder.path().join("a b/runs.jsonl")), service.ids());
    for command in ["status", "verify"] {
        let arguments = [command, &out, "--checkpoint", &checkpoint];
        program_in(folder.path(), &arguments).assert().success();
    }

    let out = format!("file{root}parts.jsonl/");
    service.export(Path::new(&out), &[]).success();
    assert_eq!(outputs::parts(&folder.path().join("parts.jsonl")).len(), 1);
    program_in(folder.path(), &["verify", &out])
        .assert()
        .success();

    let out = format!("file{root}{{actor}}.jsonl");
    service.export(Path::new(&out), &[]).success();
    let mut names = names(folder.path());
    names.retain(|name| name.ends_with(".jsonl"));
    names.sort();
    assert_eq!(names, ["janedoe~my-actor.jsonl", "parts.jsonl"]);
}

/// The variables that let no metadata service be found.
fn without_role(command: &mut Command) -> &mut Command {
    let nobody = "127.0.0.1:9";
    command
        .env("NO_PROXY", "127.0.0.1")
        .env("AWS_METADATA_ENDPOINT", format!("http://{nobody}"))
        .env("GCE_METADATA_HOST", nobody)
        .env("GCE_METADATA_IP", nobody)
        .env("IDENTITY_ENDPOINT", format!("http://{nobody}"))
}

#[test]
fn without_credentials_the_variables_to_set_are_named_soon() {
    let folder = tempfile::tempdir().unwrap();
    let check = |url: &'static str, account: Option<&'static str>, expected: &'static str| {
        let folder = folder.path().to_owned();
        thread::spawn(move || {
            let mut export = program_in(&folder, &["export", "--demo", "5", "--out", url]);
            if let Some(account) = account {
                export.env("AZURE_STORAGE_ACCOUNT_NAME", account);
            }
            let begun = Instant::now();
            let failed = without_role(&mut export).assert().code(1);
            let seconds = begun.elapsed().as_secs();
            let message = stderr(&failed);
            assert!(seconds < 20, "{seconds}: {message}");
            let begin = format!("error: {url}");
            let last = message.lines().last().unwrap();
            assert!(last.starts_with(&begin), "{message}");
            assert!(message.contains(expected), "{message}");
            for address in ["169.254", "127.0.0.1", "metadata"] {
                assert!(!message.contains(address), "{message}");
            }
        })
    };
    let checks = [
        check(
            "s3://bucket/runs.parquet",
            None,
            "/_manifest.json cannot be read: no credentials for S3: set AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY, ",
        ),
        check(
            "gs://bucket/runs.parquet",
            None,
            ": no credentials for Google Cloud Storage: set GOOGLE_APPLICATION_CREDENTIALS ",
        ),
        check(
            "az://container/runs.parquet",
            Some("account"),
            ": no credentials for Azure: set AZURE_STORAGE_ACCOUNT_KEY or ",
        ),
        check(
            "az://container/runs.parquet",
            None,
            " cannot be opened: no storage account for Azure: set AZURE_STORAGE_ACCOUNT_NAME, ",
        ),
    ];
    for check in checks {
        check.join().unwrap();
    }
}

/// A metadata service, which knows a role of this machine, and object storage that refuses all
/// requests. Notes the requests.
struct Clouds {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Clouds {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&requests);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let request = head(&mut connection);
                let response = response(&request);
                noted.lock().unwrap().push(request);
                let _ = connection.write_all(response.as_bytes());
            }
        });
        Self { address, requests }
    }
}

fn head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if connection.read(&mut byte).unwrap_or(0) == 0 {
            break;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn response(request: &str) -> String {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let roles = "/latest/meta-data/iam/security-credentials/";
    let expiry = "2999-01-01T00:00:00Z";
    let (status, body) = match path {
        "/latest/api/token" => (200, "token".into()),
        path if path == roles => (200, "role".into()),
        path if path.starts_with(roles) => (
            200,
            format!(
                "{{\"AccessKeyId\":\"S3ROLE\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\
                 \"Expiration\":\"{expiry}\"}}"
            ),
        ),
        path if path.starts_with("/computeMetadata/") => (
            200,
            "{\"access_token\":\"GOOGLEROLE\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"
                .into(),
        ),
        path if path.starts_with("/msi") => (
            200,
            "{\"access_token\":\"AZUREROLE\",\"expires_on\":\"32503680000\"}".into(),
        ),
        _ => (403, "<Error><Code>Refused</Code></Error>".into()),
    };
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn the_role_of_a_machine_is_used() {
    let folder = tempfile::tempdir().unwrap();
    for (url, sign) in [
        ("s3://bucket/runs", "Credential=S3ROLE/"),
        ("gs://bucket/runs", "Bearer GOOGLEROLE"),
        ("az://container/runs", "Bearer AZUREROLE"),
    ] {
        let clouds = Clouds::start();
        let address = format!("http://{}", clouds.address);
        let refused = program_in(folder.path(), &["status", url])
            .env("NO_PROXY", "127.0.0.1")
            .env("AWS_METADATA_ENDPOINT", &address)
            .env("AWS_ENDPOINT_URL", &address)
            .env("AWS_ALLOW_HTTP", "true")
            .env("GCE_METADATA_HOST", clouds.address.to_string())
            .env("GOOGLE_BASE_URL", &address)
            .env("IDENTITY_ENDPOINT", format!("{address}/msi"))
            .env("AZURE_STORAGE_ENDPOINT", &address)
            .env("AZURE_ALLOW_HTTP", "true")
            .env("AZURE_STORAGE_ACCOUNT_NAME", "account")
            .assert()
            .code(1);
        assert!(stderr(&refused).contains("Refused"), "{refused}");
        let requests = clouds.requests.lock().unwrap();
        let last = requests.last().unwrap();
        assert!(last.contains(sign), "{last}");
    }
}
