//! A cache for the access token, which is fetched once for all calls that wait for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::AccessToken;
use crate::error::{Error, Result};
use crate::redact::Secret;

/// A token is no longer used this long before it expires, or earlier if it is short-lived.
const MARGIN: Duration = Duration::from_secs(30);
/// A token with a longer lifetime counts as one that never expires, so that times can't overflow.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// A token and the number of the fetch that returned it.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) secret: Secret,
    pub(crate) serial: u64,
}

/// The last token.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    /// How many fetches have ended. It changes only under the lock, and is also read without it.
    fetches: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<(Issued, Option<Instant>)>,
    failure: Option<Error>,
}

impl TokenCache {
    /// Returns the token, calling `fetch` if there is none.
    ///
    /// Callers that arrive during a fetch wait for it and get its result, be it a token or an
    /// error. If the caller that fetches is dropped, the next one in the queue fetches.
    pub(crate) async fn get<F>(&self, fetch: impl FnOnce() -> F) -> Result<Issued>
    where
        F: Future<Output = Result<AccessToken>>,
    {
        let seen = self.fetches.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        match &state.token {
            Some((issued, None)) => return Ok(issued.clone()),
            Some((issued, Some(until))) if Instant::now() < *until => return Ok(issued.clone()),
            _ => {}
        }
        let meanwhile = self.fetches.load(Ordering::Acquire) > seen;
        if let Some(failure) = state.failure.as_ref().filter(|_| meanwhile) {
            return Err(failure.clone());
        }
        let fetched = fetch().await;
        let serial = self.fetches.fetch_add(1, Ordering::Release) + 1;
        state.token = None;
        state.failure = None;
        match fetched {
            Ok(token) => {
                let issued = Issued {
                    secret: token.secret,
                    serial,
                };
                let until = token.expires_in.filter(|lifetime| *lifetime < FOREVER);
                let until = until.map(|lifetime| Instant::now() + usable(lifetime));
                state.token = Some((issued.clone(), until));
                Ok(issued)
            }
            Err(error) => {
                state.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Drops a token that the service rejected, unless it has been replaced already.
    pub(crate) async fn discard(&self, serial: u64) {
        let mut state = self.state.lock().await;
        if state
            .token
            .as_ref()
            .is_some_and(|(issued, _)| issued.serial == serial)
        {
            state.token = None;
        }
    }
}

/// How long a token of this lifetime is used.
fn usable(lifetime: Duration) -> Duration {
    lifetime.saturating_sub(MARGIN.min(lifetime / 5))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::ErrorKind;

    fn token(count: &Cell<u32>, lifetime: Option<u64>) -> AccessToken {
        count.set(count.get() + 1);
        let token = AccessToken::new(format!("token-{}", count.get()));
        match lifetime {
            Some(seconds) => token.expires_in(Duration::from_secs(seconds)),
            None => token,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn kept_until_shortly_before_the_end() {
        for (lifetime, kept, gone) in [(300, 269, 271), (10, 7, 9), (31, 24, 26)] {
            let (cache, count) = (TokenCache::default(), Cell::new(0));
            let get = || cache.get(|| async { Ok(token(&count, Some(lifetime))) });
            get().await.unwrap();
            tokio::time::advance(Duration::from_secs(kept)).await;
            assert_eq!(
                get().await.unwrap().secret.expose(),
                "token-1",
                "{lifetime}"
            );
            tokio::time::advance(Duration::from_secs(gone - kept)).await;
            assert_eq!(
                get().await.unwrap().secret.expose(),
                "token-2",
                "{lifetime}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_end_kept_until_refused() {
        for lifetime in [None, Some(u64::MAX)] {
            let (cache, count) = (TokenCache::default(), Cell::new(0));
            let get = || cache.get(|| async { Ok(token(&count, lifetime)) });
            let first = get().await.unwrap();
            tokio::time::advance(Duration::from_secs(1_000_000)).await;
            assert_eq!(get().await.unwrap().serial, first.serial);
            cache.discard(first.serial).await;
            let second = get().await.unwrap();
            assert_eq!(second.secret.expose(), "token-2");
            // A late rejection of the first token does not concern the second.
            cache.discard(first.serial).await;
            assert_eq!(get().await.unwrap().serial, second.serial);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_fetch_for_all() {
        let (cache, count) = (TokenCache::default(), Cell::new(0));
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(token(&count, Some(60)))
        };
        let all = futures_util::future::join_all((0..20).map(|_| cache.get(slow))).await;
        assert!(
            all.iter()
                .all(|issued| issued.as_ref().unwrap().serial == 1)
        );
        assert_eq!(count.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_for_all_and_a_new_try_for_those_who_come_later() {
        let (cache, count) = (TokenCache::default(), Cell::new(0));
        let broken = || async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            count.set(count.get() + 1);
            Err(Error::new(ErrorKind::Unauthorized, "no"))
        };
        let all = futures_util::future::join_all((0..20).map(|_| cache.get(broken))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(count.get(), 1);
        assert!(cache.get(broken).await.is_err());
        assert_eq!(count.get(), 2);
        assert!(
            cache
                .get(|| async { Ok(token(&count, None)) })
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_fetch_leaves_the_next_one_free() {
        let (cache, count) = (TokenCache::default(), Cell::new(0));
        let never = cache.get(std::future::pending);
        assert!(
            tokio::time::timeout(Duration::from_secs(1), never)
                .await
                .is_err()
        );
        assert!(
            cache
                .get(|| async { Ok(token(&count, None)) })
                .await
                .is_ok()
        );
    }
}
