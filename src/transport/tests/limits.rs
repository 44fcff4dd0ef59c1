//! Size, redirects, compression.

use super::*;

#[tokio::test]
async fn responses_are_capped() {
    let body = format!("{{\"status\":\"{}\"}}", "x".repeat(2000));
    for (limit, fits) in [(body.len(), true), (body.len() - 1, false)] {
        let server = scripted([json(&body)]);
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
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn error_bodies_are_read_in_part() {
    let server = scripted([status(400, &"x".repeat(1_000_000))]);
    let error = Calls::of(&client(&server)).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.body_excerpt().unwrap().len(), 4096);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn compressed_responses_are_read_and_capped_as_they_unfold() {
    use std::io::Write as _;

    let body = format!("{{\"status\":\"{}\"}}", "x".repeat(1_000_000));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(body.as_bytes()).unwrap();
    let packed = packer.finish().unwrap();
    assert!(packed.len() < 10_000);
    for (limit, fits) in [(2_000_000, true), (100_000, false)] {
        let response = Response::json(200, "")
            .header("content-encoding", "gzip")
            .body(packed.clone());
        let server = scripted([response]);
        let client = builder(&server).max_response_bytes(limit).build().unwrap();
        let result = client.health().await;
        assert!(header(&server.requests()[0], "accept-encoding")[0].contains("gzip"));
        match result {
            Ok(health) => assert!(fits && health.status.len() == 1_000_000),
            Err(error) => assert!(!fits && error.kind() == ErrorKind::TooLarge, "{error}"),
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = scripted([json("{}")]);
    for code in [301, 302, 303, 307, 308] {
        let response = status(code, "").header(
            "location",
            format!("{}/login?token=MARKED", elsewhere.origin()),
        );
        let server = scripted([response]);
        let error = Calls::of(&client(&server)).status().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::Redirect, Some(code))
        );
        assert!(error.to_string().contains("not followed"), "{error}");
        assert!(error.to_string().contains(&elsewhere.origin()), "{error}");
        assert!(!format!("{error:?}{error}").contains("MARKED"), "{error:?}");
        assert_eq!(server.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_client_that_follows_redirects_is_found_out() {
    let elsewhere = scripted([json("{}")]);
    let response = status(302, "").header("location", format!("{}/x", elsewhere.origin()));
    let server = scripted([response]);
    let client = builder(&server)
        .http_client(reqwest::Client::new())
        .build()
        .unwrap();
    let error = Calls::of(&client).status().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.to_string().contains("Policy::none()"), "{error}");
}

#[tokio::test]
async fn deep_responses_do_not_overflow_the_stack() {
    let deep = "[".repeat(500_000);
    for body in [deep.clone(), format!("{{\"data\":{deep}")] {
        let server = scripted([json(&body)]);
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
