//! Decides whether the systems of sync have anything to do in an update.

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    clock::{CurrentInterval, Deadline, UnixTime},
    duties::BlockProduced,
    messages::{BlockImported, BlockOrphaned, BlockReceived, BlockRefused, InputJudged},
    network::{PeerEvent, PeerFaulted, RequestEvent, RequestReceived},
    sync::Orphans,
};

use super::{backfill::Backfill, fetch::Fetches, range::RangeSync};

/// The messages that sync reacts to.
#[derive(SystemParam)]
pub struct News<'w, 's> {
    peers: (
        MessageReader<'w, 's, PeerEvent>,
        MessageReader<'w, 's, RequestEvent>,
        MessageReader<'w, 's, RequestReceived>,
        MessageReader<'w, 's, PeerFaulted>,
    ),
    blocks: (
        MessageReader<'w, 's, BlockReceived>,
        MessageReader<'w, 's, BlockOrphaned>,
        MessageReader<'w, 's, BlockRefused>,
        MessageReader<'w, 's, BlockImported>,
        MessageReader<'w, 's, BlockProduced>,
    ),
    judged: MessageReader<'w, 's, InputJudged>,
}

impl News<'_, '_> {
    /// Returns true if there is a message that was not there before.
    fn take(&mut self) -> bool {
        fn take<M: Message>(reader: &mut MessageReader<M>) -> bool {
            let is_new = !reader.is_empty();
            reader.clear();
            is_new
        }
        let (events, answers, requests, faults) = &mut self.peers;
        let (received, orphaned, refused, imported, produced) = &mut self.blocks;
        let of_peers = [take(events), take(answers), take(requests), take(faults)];
        let of_blocks =
            [take(received), take(orphaned), take(refused), take(imported), take(produced)];
        let of_requests = self.judged.read().filter(|judged| judged.id.is_requested()).count() > 0;
        of_requests || of_peers.contains(&true) || of_blocks.contains(&true)
    }
}

/// The work that sync has under way.
#[derive(SystemParam)]
pub struct UnderWay<'w> {
    range: Res<'w, RangeSync>,
    fetches: Res<'w, Fetches>,
    orphans: Res<'w, Orphans>,
    backfill: Res<'w, Backfill>,
}

/// Returns true if sync may have something to do: an interval has begun, a message has arrived that
/// it reacts to, a deadline has passed, the clock was set back, or it has work under way. A pause
/// that ends between two intervals is noticed at the next interval.
pub fn sync_is_due(
    mut news: News,
    under_way: UnderWay,
    (now, time): (Res<CurrentInterval>, Res<UnixTime>),
    deadlines: Query<&Deadline>,
    mut last_ms: Local<u64>,
) -> bool {
    let has_news = news.take();
    let is_set_back = time.now_ms < std::mem::replace(&mut *last_ms, time.now_ms);
    let UnderWay { range, fetches, orphans, backfill } = under_way;
    has_news
        || is_set_back
        || now.is_changed()
        || range.target().is_some()
        || !fetches.is_empty()
        || !orphans.is_empty()
        || !backfill.is_idle()
        || deadlines.iter().any(|deadline| deadline.at_ms <= time.now_ms)
}
