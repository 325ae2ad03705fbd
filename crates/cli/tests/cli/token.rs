//! Where the token comes from, and where it does not go.

use apify_runs::emulator::{Emulator, Fault};

use super::*;

/// A home in which somebody has logged in with this token.
fn home_with(token: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".apify");
    std::fs::create_dir(&folder).unwrap();
    let login = serde_json::json!({"username": "janedoe", "token": token, "id": "abc"});
    std::fs::write(folder.join("auth.json"), login.to_string()).unwrap();
    home
}

/// Counts the runs of a service that knows one token only.
fn count(service: &Service, home: &Path, variable: Option<&str>, file: Option<&Path>) -> Assert {
    let mut count = program();
    count.args(["count", ACTOR, "--base-url", &service.base_url()]);
    count.env("HOME", home).env("USERPROFILE", home);
    if let Some(token) = variable {
        count.env("APIFY_TOKEN", token);
    }
    if let Some(path) = file {
        count.arg("--token-file").arg(path);
    }
    count.assert()
}

#[test]
fn the_file_comes_before_the_variable_and_that_before_the_login() {
    let service = Service::start(Emulator::builder().runs(7).token("good"));
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    // As an editor leaves it.
    std::fs::write(&good, "  good\n").unwrap();
    std::fs::write(&bad, "bad").unwrap();
    let (good_home, bad_home) = (home_with("good"), home_with("bad"));
    let (in_good, in_bad) = (good_home.path(), bad_home.path());

    count(&service, in_bad, Some("bad"), Some(&good)).success();
    count(&service, in_good, Some("good"), Some(&bad)).code(4);
    count(&service, in_bad, Some("good"), None).success();
    count(&service, in_good, Some("bad"), None).code(4);
    count(&service, in_good, None, None).success();
    // An empty variable is none.
    count(&service, in_good, Some(""), None).success();
    count(&service, in_bad, None, None).code(4);
}

#[test]
fn without_a_token_the_three_ways_to_one_are_named() {
    let service = Service::with_runs(7);
    let missing = count(&service, Path::new(EMPTY_HOME), None, None).code(4);
    let message = stderr(&missing);
    for way in ["APIFY_TOKEN", "--token-file", "apify login"] {
        assert!(message.contains(way), "{message}");
    }
    assert_eq!(message.lines().count(), 1);
    assert!(service.requests().is_empty());
}

#[test]
fn a_place_without_a_token_is_named() {
    let service = Service::with_runs(7);
    let folder = tempfile::tempdir().unwrap();
    let (missing, empty) = (folder.path().join("missing"), folder.path().join("empty"));
    std::fs::write(&empty, "\n").unwrap();
    for (path, reason) in [(&missing, "os error 2"), (&empty, "it is empty")] {
        let failed = count(&service, Path::new(EMPTY_HOME), None, Some(path)).code(4);
        let message = stderr(&failed);
        let expected = format!("error: no token in {}: ", path.display());
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.contains(reason), "{message}");
    }
    let home = home_with("good");
    std::fs::write(home.path().join(".apify/auth.json"), "{\"secret\":1}").unwrap();
    let failed = count(&service, home.path(), None, None).code(4);
    let message = stderr(&failed);
    assert!(message.contains("auth.json"), "{message}");
    assert!(message.contains("it holds none"), "{message}");
}

#[test]
fn a_token_that_cannot_be_sent_is_not_shown() {
    let service = Service::with_runs(7);
    let token = "apify api secret";
    let failed = count(&service, Path::new(EMPTY_HOME), Some(token), None);
    let message = stderr(&failed.code(2));
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn help_tells_which_token_it_would_be() {
    let home = home_with("secret");
    for command in ["export", "count"] {
        let help = |variable: Option<&str>, home: &Path| {
            let mut help = program();
            help.args([command, "--help"]);
            help.env("HOME", home).env("USERPROFILE", home);
            if let Some(token) = variable {
                help.env("APIFY_TOKEN", token);
            }
            let text = stdout(&help.assert().success());
            assert!(!text.contains("secret"), "{text}");
            // However it is wrapped.
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let none = help(None, Path::new(EMPTY_HOME));
        assert!(none.contains("Now there is none."), "{none}");
        let variable = help(Some("secret"), home.path());
        assert!(variable.contains("the one in APIFY_TOKEN."), "{variable}");
        let login = help(None, home.path());
        assert!(
            login.contains("auth.json, the login of the Apify"),
            "{login}"
        );
    }
}

#[test]
fn no_flag_takes_a_token() {
    for command in ["export", "split", "count", "verify", "status", "emulate"] {
        let help = program().args([command, "--help"]).assert().success();
        for line in stdout(&help).lines() {
            let line = line.trim_start();
            let is_flag = line.starts_with('-') && line.contains("token");
            assert!(!is_flag || line.starts_with("--token-file"), "{line}");
        }
        for flag in ["--token", "--token=secret"] {
            program().args([command, flag, "secret"]).assert().code(2);
        }
    }
}

/// Responses that repeat the token, as error pages may, and all else that may end an export.
fn telltale(token: &str) -> Vec<Fault> {
    let html = format!("<html>Bearer {token} is not welcome</html>");
    let error = format!(r#"{{"error":{{"type":"{token}","message":"bad token {token}"}}}}"#);
    let mut faults = vec![
        Fault::Hang,
        Fault::Reset,
        Fault::Truncate,
        Fault::Stall,
        Fault::BrokenJson,
        Fault::Empty,
        Fault::ErrorInOk,
        Fault::Redirect(format!("http://other.example/?token={token}")),
        Fault::status_retry_after(429, token),
    ];
    for status in [200, 401, 404, 502] {
        let response = |body: &String| Fault::Response {
            status,
            body: body.clone(),
        };
        faults.extend([&html, &error].map(response));
    }
    faults
}

#[test]
fn the_token_is_in_nothing_that_is_written() {
    let token = "apify_api_TopSecret";
    let mut builder = Emulator::builder().runs(50).token(token);
    let faults = telltale(token);
    // The first attempt gets two pages, each later one none.
    for (request, fault) in (3..).zip(&faults) {
        builder = builder.fault(request..=request, fault.clone());
    }
    let service = Service::start(builder);
    let (folder, out) = place("runs.jsonl");
    for (index, fault) in faults.iter().enumerate() {
        let mut arguments = vec!["--page-size=10", "--concurrency=1", "--max-retries=0"];
        arguments.extend(["--timeout=200ms", "-v"]);
        arguments.push(["--log-format=text", "--log-format=json"][index % 2]);
        let gave_up = service.export(&out, &arguments).failure();
        let (said, written) = (stderr(&gave_up), stdout(&gave_up));
        assert!(said.to_lowercase().contains("error"), "{fault:?}: {said}");
        assert!(!said.contains(token) && !written.contains(token), "{said}");
    }
    let complete = service.export(&out, &["-v", "--page-size=10"]).success();
    assert!(!stderr(&complete).contains(token), "{complete}");
    assert_exact(&service, &out);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(token), "{}", path.display());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_token_is_in_no_argument_of_a_process() {
    let token = "apify_api_TopSecret";
    let builder = Emulator::builder().runs(50).token(token);
    let service = Service::start(builder.fault(.., Fault::Hang));
    let (folder, out) = place("runs.jsonl");
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let arguments = ["--token-file", file.to_str().unwrap()];
    let mut export = service.export_process(&out, &arguments).spawn().unwrap();
    wait_until("it asks", || service.requests().len() == 1);
    let path = format!("/proc/{}/cmdline", export.id());
    let arguments = std::fs::read_to_string(path).unwrap();
    export.kill().unwrap();
    export.wait().unwrap();
    assert!(arguments.contains("--token-file"), "{arguments}");
    assert!(!arguments.contains(token), "{arguments}");
}
