//! Runs requests concurrently. Each one that was started is also finished.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

/// The most requests that are under way at once. An API server gives each caller a share of what it does at a time, and
/// answers 429 to what is too much; beyond this number nothing gets faster, since the server is what takes the time.
pub const MOST_AT_ONCE: usize = 32;

/// Runs all jobs, several at once, and hands over each result as soon as it arrives, with the job's index. After the
/// first failure no further job is started; those under way are finished and handed over as well.
///
/// # Errors
/// Of all failures, that of the job which stands first in the list.
pub async fn for_each<T, E, F: Future<Output = Result<T, E>>>(
    jobs: Vec<F>,
    mut done: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let mut waiting = jobs.into_iter().enumerate();
    let mut under_way = FuturesUnordered::new();
    let mut failure: Option<(usize, E)> = None;
    loop {
        while failure.is_none()
            && under_way.len() < MOST_AT_ONCE
            && let Some((at, job)) = waiting.next()
        {
            under_way.push(async move { (at, job.await) });
        }
        let Some((at, ended)) = under_way.next().await else { break };
        if let Err(error) = ended.and_then(|value| done(at, value))
            && failure.as_ref().is_none_or(|(first, _)| at < *first)
        {
            failure = Some((at, error));
        }
    }
    failure.map_or(Ok(()), |(_, error)| Err(error))
}

/// Does all jobs, several at once, and collects their results in the order of the list.
///
/// # Errors
/// As for [`for_each`].
pub async fn collect<T, E, F: Future<Output = Result<T, E>>>(jobs: Vec<F>) -> Result<Vec<T>, E> {
    let mut collected = Vec::new();
    for_each(jobs, |at, value| {
        collected.push((at, value));
        Ok(())
    })
    .await?;
    collected.sort_by_key(|(at, _)| *at);
    Ok(collected.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    #[tokio::test]
    async fn what_ends_in_any_order_is_collected_in_that_of_the_list() {
        let jobs = (0..100u64).map(|n| async move {
            tokio::time::sleep(Duration::from_millis((n * 7) % 13)).await;
            Ok::<_, ()>(n)
        });
        assert_eq!(collect(jobs.collect()).await, Ok((0..100).collect()));
    }

    #[tokio::test]
    async fn no_more_are_under_way_than_may_be() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let jobs = (0..100).map(|_| async {
            now.set(now.get() + 1);
            most.set(most.get().max(now.get()));
            tokio::task::yield_now().await;
            now.set(now.get() - 1);
            Ok::<_, ()>(())
        });
        for_each(jobs.collect(), |_, ()| Ok(())).await.unwrap();
        assert_eq!(most.get(), MOST_AT_ONCE);
    }

    #[tokio::test]
    async fn after_a_failure_what_is_under_way_ends_and_nothing_else_begins() {
        let begun = Cell::new(0);
        let mut done = Vec::new();
        let jobs = (0..100).map(|n| {
            let begun = &begun;
            async move {
                begun.set(begun.get() + 1);
                tokio::time::sleep(Duration::from_millis(if n == 5 { 1 } else { 20 })).await;
                if n == 5 || n == 3 { Err(n) } else { Ok(n) }
            }
        });
        let failed = for_each(jobs.collect(), |at, _| {
            done.push(at);
            Ok(())
        })
        .await;
        assert_eq!((failed, begun.get(), done.len()), (Err(3), MOST_AT_ONCE, MOST_AT_ONCE - 2));
    }
}
