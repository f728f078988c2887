//! How often a provider may be asked: one [`Budget`] per limit it names, held on our side, so that we
//! never find out by being blocked. Which limits there are, and where they are said, stands in one
//! place of each adapter.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};

use super::PbxError;

/// One limit: a request every so often.
pub struct Budget {
    limiter: Option<DefaultDirectRateLimiter>,
}

impl Budget {
    /// One request every so many milliseconds (0: no limit).
    pub fn every_ms(millis: u64) -> Self {
        let quota = Quota::with_period(Duration::from_millis(millis));
        let limiter = quota.map(|quota| RateLimiter::direct(quota.allow_burst(NonZeroU32::MIN)));
        Self { limiter }
    }

    /// Takes a turn now, or says when there will be one.
    pub fn take(&self) -> Result<(), PbxError> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        limiter.check().map_err(|not_until| PbxError::Throttled {
            retry_after: not_until.wait_time_from(DefaultClock::default().now()),
        })
    }

    /// Takes a turn, and waits for it no longer than this.
    pub async fn wait(&self, patience: Duration) -> Result<(), PbxError> {
        let began = tokio::time::Instant::now();
        loop {
            match self.take() {
                Err(PbxError::Throttled { retry_after })
                    if began.elapsed() + retry_after <= patience =>
                {
                    tokio::time::sleep(retry_after).await;
                }
                taken => return taken,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_turn_waits_its_time_or_is_refused() {
        let budget = Budget::every_ms(60);
        assert!(budget.take().is_ok());
        let Err(PbxError::Throttled { retry_after }) = budget.take() else {
            panic!("two turns at once");
        };
        assert!(retry_after <= Duration::from_millis(60));
        let began = std::time::Instant::now();
        assert!(budget.wait(Duration::from_millis(5)).await.is_err());
        assert!(budget.wait(Duration::from_secs(5)).await.is_ok());
        assert!(began.elapsed() >= Duration::from_millis(40));
        let free = Budget::every_ms(0);
        assert!((0..100).all(|_| free.take().is_ok()));
    }
}
