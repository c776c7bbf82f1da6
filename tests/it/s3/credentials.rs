//! Where keys for S3 may come from: every place that Amazon's own tools look at. Amazon's services that hand keys out cannot run
//! here: a small server stands for them and answers as they are documented to.

use crate::support::archive::{succeeded, text};
use crate::support::s3::{KEY, S3, SECRET, keys};
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it answers to a request for a path.
fn answer(path: &str) -> Option<String> {
    let expires = "2099-01-01T00:00:00Z";
    let role = format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2026-01-01T00:00:00Z","AccessKeyId":"{KEY}",
            "SecretAccessKey":"{SECRET}","Token":"","AccountId":"1","Expiration":"{expires}"}}"#
    );
    let path = path.split('?').next().unwrap_or(path);
    match path {
        "/latest/api/token" => Some("a-token".into()),
        "/container" => Some(role),
        "/federation/credentials" => Some(format!(
            r#"{{"roleCredentials":{{"accessKeyId":"{KEY}","secretAccessKey":"{SECRET}","sessionToken":"","expiration":4070908800000}}}}"#
        )),
        "/" => Some(format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
               <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{KEY}</AccessKeyId>
                 <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken></SessionToken><Expiration>{expires}</Expiration>
               </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )),
        _ if path.starts_with("/latest/meta-data/iam/security-credentials") => match path.rsplit('/').next() {
            Some("a-role") => Some(role),
            _ => Some("a-role".into()),
        },
        _ => None,
    }
}

/// The port where all of Amazon's services are.
async fn amazon() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut said = Vec::new();
                let mut buffer = [0; 4096];
                while !said.windows(4).any(|w| w == b"\r\n\r\n") {
                    match client.read(&mut buffer).await {
                        Ok(n) if n > 0 => said.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                let said = String::from_utf8_lossy(&said).into_owned();
                let path = said.split(' ').nth(1).unwrap_or_default();
                let (status, body) = answer(path).map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
                let head = format!(
                    "HTTP/1.1 {status}\r\nConnection: close\r\nx-aws-ec2-metadata-token-ttl-seconds: 600\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = client.write_all(format!("{head}{body}").as_bytes()).await;
                // what is left of the request is read, so that the answer arrives
                let _ = client.shutdown().await;
                while client.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    port
}

fn write(path: &Path, what: String) {
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    std::fs::write(path, what).expect("written");
}

/// `pcloud ls` on a machine that has nothing but these settings.
fn ls(home: &Path, url: &str, settings: &[(&str, &str)]) -> Command {
    let mut ls = Command::new(env!("CARGO_BIN_EXE_pcloud"));
    ls.env_clear().env("PATH", std::env::var_os("PATH").expect("a PATH")).env("HOME", home);
    ls.env("AWS_EC2_METADATA_DISABLED", "true").envs(settings.iter().copied());
    ls.args(["ls", "--archive", url]);
    ls
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_wherever_amazons_tools_have_them() {
    let (s3, port) = (S3::start().await, amazon().await);
    let url = s3.url("shop");
    let mut import = Command::new(env!("CARGO_BIN_EXE_pcloud"));
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop/shop.sql");
    let home = tempfile::tempdir().expect("a directory");
    import.args(["import", "--name", "shop", "--plain", "--archive", &url, "--state"]).arg(home.path()).arg(sample);
    succeeded(keys(&mut import));

    let at = |name: &str| home.path().join(name);
    let pair = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    let json = format!(r#"{{"Version":1,"AccessKeyId":"{KEY}","SecretAccessKey":"{SECRET}"}}"#);
    write(&at("keys.json"), json);
    write(&at(".aws/credentials"), format!("[backup]\n{pair}"));
    let sso = "sso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n";
    let process = format!("credential_process = cat {}\n", at("keys.json").display());
    write(
        &at(".aws/config"),
        format!("[profile sso]\n{sso}[profile process]\n{process}[profile other]\nsource_profile = backup\n"),
    );
    // SHA-1 of the start URL, as `aws sso login` names what it got
    let token = r#"{"accessToken":"t","expiresAt":"2099-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://example.awsapps.com/start"}"#;
    let start = <sha1::Sha1 as sha1::Digest>::digest("https://example.awsapps.com/start");
    let start: String = start.iter().map(|b| format!("{b:02x}")).collect();
    write(&at(&format!(".aws/sso/cache/{start}.json")), token.into());
    write(&at("web-token"), "a.b.c".into());
    let server = format!("http://127.0.0.1:{port}");
    let container = format!("{server}/container");
    let web_token = at("web-token").display().to_string();
    let in_profile = |name: &str| format!("{url}&profile={name}");

    type Settings<'a> = &'a [(&'a str, &'a str)];
    let places: [(&str, String, Settings); 7] = [
        ("the environment", url.clone(), &[("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]),
        ("a profile", in_profile("backup"), &[]),
        ("a program", in_profile("process"), &[]),
        ("a container's role", url.clone(), &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container)]),
        (
            "an instance's role",
            url.clone(),
            &[("AWS_EC2_METADATA_DISABLED", "false"), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", &server)],
        ),
        ("single sign-on", in_profile("sso"), &[("AWS_ENDPOINT_URL_SSO", &server)]),
        (
            "web identity",
            url.clone(),
            &[
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &web_token),
                ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL_STS", &server),
            ],
        ),
    ];
    for (place, url, settings) in places {
        let out = ls(home.path(), &url, settings).output().expect("it starts");
        assert!(out.status.success(), "{place}: {}", text(&out.stderr));
        assert!(text(&out.stdout).contains("shop"), "{place}: {}", text(&out.stdout));
    }
    // and nowhere
    let out = ls(home.path(), &url, &[]).output().expect("it starts");
    let said = text(&out.stderr);
    assert!(!out.status.success() && said.contains("credentials"), "{said}");
    let out = ls(home.path(), &in_profile("nobody"), &[]).output().expect("it starts");
    assert!(!out.status.success() && text(&out.stderr).contains("nobody"), "{}", text(&out.stderr));
}
