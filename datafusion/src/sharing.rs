//! One limit of batches for all queries with a service.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::exec::SparkExec;
use crate::service::external;

const RULE: &str = "share_spark_limits";

/// The batches that there may be at a time, for all queries that share the limits of a service.
#[derive(Debug)]
pub(crate) struct Gate {
    batches: u32,
    free: Arc<Semaphore>,
}

/// The permission of a query to have batches. It ends when the last run of the query has ended.
pub(crate) type Permit = Arc<OwnedSemaphorePermit>;

/// All runs of a query that go through one gate.
///
/// They go through it together: a run that waited while others of its query hold batches, and wait
/// for its rows or for it to take theirs, would wait forever.
#[derive(Debug)]
pub(crate) struct Group {
    gate: Arc<Gate>,
    runs: AtomicU32,
    permit: Mutex<Weak<OwnedSemaphorePermit>>,
}

impl Gate {
    pub(crate) fn new(batches: usize) -> Arc<Self> {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let batches = u32::try_from(batches).unwrap_or(most).min(most);
        let free = Arc::new(Semaphore::new(batches as usize));
        Arc::new(Self { batches, free })
    }
}

impl Group {
    fn new(gate: &Arc<Gate>) -> Arc<Self> {
        Arc::new(Self {
            gate: Arc::clone(gate),
            runs: AtomicU32::new(0),
            permit: Mutex::default(),
        })
    }

    /// Waits until there is room for the whole query.
    pub(crate) async fn enter(&self) -> Result<Permit> {
        let mut permit = self.permit.lock().await;
        if let Some(permit) = permit.upgrade() {
            return Ok(permit);
        }
        // Each operator has a batch, even if there are more of them than there may be batches.
        let runs = self.runs.load(Ordering::Relaxed).min(self.gate.batches);
        let free = Arc::clone(&self.gate.free);
        let all = Arc::new(free.acquire_many_owned(runs).await.map_err(external)?);
        *permit = Arc::downgrade(&all);
        Ok(all)
    }
}

/// Divides the batches among the operators of a query that share them.
#[derive(Debug)]
struct ShareLimits;

impl PhysicalOptimizerRule for ShareLimits {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut groups: Vec<(Arc<Group>, usize)> = Vec::new();
        plan.apply(|node| {
            if let Some(gate) = node.downcast_ref::<SparkExec>().and_then(SparkExec::gate) {
                let known = groups
                    .iter_mut()
                    .find(|(group, _)| Arc::ptr_eq(&group.gate, gate));
                match known {
                    Some((_, operators)) => *operators += 1,
                    None => groups.push((Group::new(gate), 1)),
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        if groups.is_empty() {
            return Ok(plan);
        }
        let share = |node: Arc<dyn ExecutionPlan>| {
            let Some(exec) = node.downcast_ref::<SparkExec>() else {
                return Ok(Transformed::no(node));
            };
            let mut groups = groups.iter();
            let group = exec
                .gate()
                .and_then(|gate| groups.find(|(group, _)| Arc::ptr_eq(&group.gate, gate)));
            let Some((group, operators)) = group else {
                return Ok(Transformed::no(node));
            };
            let most = (group.gate.batches as usize / operators).max(1);
            let exec = exec.in_group(Arc::clone(group), most);
            let runs = u32::try_from(exec.partitions()).unwrap_or(u32::MAX);
            group.runs.fetch_add(runs, Ordering::Relaxed);
            Ok(Transformed::yes(Arc::new(exec) as _))
        };
        plan.transform_up(share).data()
    }

    fn name(&self) -> &str {
        RULE
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The state of a session whose queries keep within the limits of services together.
pub(crate) fn with_shared_limits(state: SessionState) -> SessionState {
    let rules = state.physical_optimizers();
    if rules.iter().any(|rule| rule.name() == RULE) {
        return state;
    }
    let id = state.session_id().to_owned();
    SessionStateBuilder::new_from_existing(state)
        .with_session_id(id)
        .with_physical_optimizer_rule(Arc::new(ShareLimits))
        .build()
}
