//! Size, redirects, compression.

use super::*;

#[tokio::test]
async fn answers_are_capped() {
    let body = format!("{{\"status\":\"{}\"}}", "x".repeat(2000));
    for (limit, fits) in [(body.len(), true), (body.len() - 1, false)] {
        let server = Server::start([json(&body)]);
        let client = builder(&server).max_response_bytes(limit).build().unwrap();
        let result = client.health().await;
        assert_eq!(result.is_ok(), fits, "{limit}");
        if let Err(error) = result {
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::TooLarge, Some(200))
            );
            assert!(
                error.to_string().contains(&format!("{limit} bytes")),
                "{error}"
            );
            assert_eq!(server.seen().len(), 1);
        }
    }
}

#[tokio::test]
async fn error_bodies_are_read_in_part() {
    let server = Server::start([status(400, &"x".repeat(1_000_000))]);
    let error = Calls::of(&client(&server)).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.body_excerpt().unwrap().len(), 4096);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_answers_are_read_and_capped_as_they_unfold() {
    use std::io::Write as _;

    let body = format!("{{\"status\":\"{}\"}}", "x".repeat(1_000_000));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(body.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < 10_000);
    for (limit, fits) in [(2_000_000, true), (100_000, false)] {
        let reply = Reply::Answer(
            200,
            vec![("content-encoding", "gzip".into())],
            packed.clone(),
        );
        let server = Server::start([reply]);
        let client = builder(&server).max_response_bytes(limit).build().unwrap();
        let result = client.health().await;
        assert!(server.seen()[0].header("accept-encoding")[0].contains("gzip"));
        match result {
            Ok(health) => assert!(fits && health.status.len() == 1_000_000),
            Err(error) => assert!(!fits && error.kind() == ErrorKind::TooLarge, "{error}"),
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start([json("{}")]);
    for code in [301, 302, 303, 307, 308] {
        let reply = status(code, "").header("location", elsewhere.url("/login?token=MARKED"));
        let server = Server::start([reply]);
        let error = Calls::of(&client(&server)).status().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Redirect, Some(code))
        );
        assert!(error.to_string().contains("not followed"), "{error}");
        assert!(error.to_string().contains(&elsewhere.url("")), "{error}");
        assert!(!format!("{error:?}{error}").contains("MARKED"), "{error:?}");
        assert_eq!(server.seen().len(), 1);
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_client_that_follows_redirects_is_found_out() {
    let elsewhere = Server::start([json("{}")]);
    let reply = status(302, "").header("location", elsewhere.url("/x"));
    let server = Server::start([reply]);
    let client = builder(&server)
        .http_client(reqwest::Client::new())
        .build()
        .unwrap();
    let error = Calls::of(&client).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.to_string().contains("Policy::none()"), "{error}");
}

#[tokio::test]
async fn deep_answers_do_not_overflow_the_stack() {
    let deep = "[".repeat(500_000);
    for body in [deep.clone(), format!("{{\"data\":{deep}")] {
        let server = Server::start([json(&body)]);
        let client = builder(&server)
            .retry(RetryPolicy::never())
            .build()
            .unwrap();
        let error = Calls::of(&client).status().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        let received = Calls::of(&client).pull().await.unwrap();
        assert!(received.json::<types::Status>().is_err());
    }
}
