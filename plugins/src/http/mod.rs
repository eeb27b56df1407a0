//! HTTP: the API and the node's page, served by axum on a separate thread.
//!
//! Requests are answered from the store, and from the
//! [`Snapshot`](quintet_components::snapshot::Snapshot) that the world replaces at the end of an
//! update. Only the admin surface, and guarded routes of other plugins, reach the world. The admin
//! surface uses a lane of 16 requests. [`HttpLimits`] has the limits; `docs/http.md` describes
//! every path.

mod admin;
mod announce;
mod api;
mod config;
mod document;
mod failure;
mod guards;
mod heap;
mod hub;
mod id;
mod page;
mod pages;
mod publish;
mod quiet;
mod server;
mod stall;
mod state;
mod thread;
mod topics;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, OnceLock},
};

use axum::{Router, middleware};
use bevy_app::{App, Plugin, PostUpdate, PreUpdate};
use bevy_ecs::prelude::*;
use quintet_components::{
    aggregation::SessionEnded,
    chain::{Head, IsAggregator},
    clock::{SlotClock, UnixTime},
    duties::AttestationProduced,
    lane::{Lane, LaneSender},
    messages::{
        AggregateProduced, AggregateReceived, AttestationReceived, BlockImported, BlockReceived,
        HeadChanged, InputJudged,
    },
    metrics::MetricsRegistry,
    pulse::Pulse,
    schedule::NodeSystems,
    snapshot::{NodeIdentity, SnapshotCell},
    storage::{Blocks, StoredChain, StoredStates},
    waker::NodeWaker,
};
use tokio::sync::Semaphore;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};
use utoipa_axum::router::OpenApiRouter;

/// The library with which a client makes routes of its own.
pub use axum;
pub use config::{AdminToken, AdminTokenError, HttpConfig, HttpLimits};

#[cfg(feature = "inspector")]
pub(crate) use self::hub::Announcer;
pub(crate) use self::{
    admin::{Carried, SetAggregator},
    page::Sessions,
    thread::HttpThread,
};
use self::{
    hub::{EventHub, EventQueue},
    state::{Api, Shared},
};
pub use crate::web::HttpRoutes;
use crate::{
    EndReason,
    needs::{Need, has_all, needs},
    open_files,
    vital::VitalThreads,
    web::{answer, error},
};

/// Serves the API. Must be added after the plugins whose routes it serves; the store may come from
/// any plugin. If an address is in use, the app exits with an error.
///
/// | inserts | reads | writes |
/// | --- | --- | --- |
/// | [`LocalHttp`], [`HttpRoutes`], [`SnapshotCell`], a [`Lane`] of admin requests | the chain, peers, duties, [`NodeIdentity`], [`Blocks`], [`StoredChain`], [`StoredStates`] | [`SnapshotCell`], [`IsAggregator`] |
#[derive(Debug, Default)]
pub struct HttpPlugin {
    /// The settings of the servers.
    pub config: HttpConfig,
}

/// The addresses of the servers, with the ports that were assigned.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalHttp {
    /// The address of the API, and of the metrics if they share its listener.
    pub api: Option<SocketAddr>,
    /// The address of the metrics.
    pub metrics: Option<SocketAddr>,
}

/// The routes of other plugins, with their guards.
fn guarded(routes: HttpRoutes, api: &Api) -> Router {
    let (open, guarded) = routes.into_parts();
    if !guarded.has_routes() {
        return open;
    }
    let guard = middleware::from_fn_with_state(api.clone(), admin::guard);
    let limit = middleware::from_fn_with_state(api.clone(), guards::limit);
    open.merge(guarded.route_layer(guard).route_layer(limit))
}

/// The bound listeners.
#[derive(Debug)]
struct Listeners {
    api: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

/// Everything that is prepared before the servers start.
#[derive(Resource, Debug)]
struct Prepared {
    listeners: Listeners,
    admin: LaneSender<SetAggregator>,
    events: (EventQueue, EventHub),
}

impl Plugin for HttpPlugin {
    fn build(&self, app: &mut App) {
        if !has_all(app, "HttpPlugin", &[Need::resource::<NodeWaker>("RunnerPlugin")]) {
            return;
        }
        needs(app, "HttpPlugin", &[Need::resource::<Head>("ForkChoicePlugin")]);
        let listeners = match bind(&self.config) {
            Ok(listeners) => listeners,
            Err(error) => {
                EndReason::end(app.world_mut(), format!("HTTP: {error}"));
                return;
            }
        };
        let address = |listener: &Option<TcpListener>| listener.as_ref()?.local_addr().ok();
        let local =
            LocalHttp { api: address(&listeners.api), metrics: address(&listeners.metrics) };
        if self.config.api.is_some_and(|api| !api.ip().is_loopback())
            && self.config.admin_token.is_none()
        {
            tracing::warn!(
                "the API listens beyond loopback and there is no admin token: nothing under \
                 /lean/v0/admin is served"
            );
        }
        let waker = app.world().resource::<NodeWaker>().clone();
        let (sender, lane) =
            Lane::<SetAggregator>::new(admin::MAX_WAITING, admin::MAX_WAITING, waker);
        let (announcer, queue, hub) = hub::hub();
        app.insert_resource(local)
            .insert_resource(Prepared { listeners, admin: sender, events: (queue, hub) })
            .insert_resource(lane)
            .insert_resource(announcer)
            .init_resource::<HttpRoutes>()
            .init_resource::<SnapshotCell>()
            .init_resource::<NodeIdentity>()
            .init_resource::<IsAggregator>()
            .init_resource::<Carried>()
            .init_resource::<Sessions>()
            .init_resource::<UnixTime>()
            .add_message::<SessionEnded>()
            .add_message::<HeadChanged>()
            .add_message::<BlockImported>()
            .add_message::<BlockReceived>()
            .add_message::<AttestationReceived>()
            .add_message::<AggregateReceived>()
            .add_message::<InputJudged>()
            .add_message::<AttestationProduced>()
            .add_message::<AggregateProduced>()
            .add_systems(PreUpdate, admin::carry_out.in_set(NodeSystems::Receive))
            .add_systems(
                PostUpdate,
                // They only read what others write, and write what is their own.
                (
                    page::follow_sessions,
                    publish::publish,
                    admin::confirm,
                    // After the snapshot: a client that gets an event finds its data.
                    announce::announce_chain,
                    announce::announce_attestations,
                )
                    .chain()
                    .in_set(NodeSystems::Flush)
                    .ambiguous_with_all(),
            );
    }

    fn finish(&self, app: &mut App) {
        let world = app.world_mut();
        let Some(prepared) = world.remove_resource::<Prepared>() else { return };
        let Prepared { listeners, admin, events: (queue, events) } = prepared;
        let routes = world.remove_resource::<HttpRoutes>().unwrap_or_default();
        let count = [&listeners.api, &listeners.metrics].into_iter().flatten().count();
        let mut limits = self.config.limits;
        limits.connections = open_files::connections(limits.connections, count);
        let vital = VitalThreads::of(world).watch("HTTP");
        let pulse = world.get_resource::<Pulse>().cloned();
        let api = Api::from(Shared {
            config: self.config.clone(),
            node: world.resource::<NodeIdentity>().clone(),
            snapshots: world.resource::<SnapshotCell>().clone(),
            blocks: world.get_resource::<Blocks>().cloned(),
            states: world.get_resource::<StoredStates>().cloned(),
            chain: world.get_resource::<StoredChain>().cloned(),
            admin,
            events,
            pulse: pulse.zip(world.get_resource::<SlotClock>().copied()),
            metrics: world.get_resource::<MetricsRegistry>().cloned(),
            document: OnceLock::new(),
            state_answers: Arc::new(Semaphore::new(limits.state_answers)),
            last_ssz: Mutex::default(),
            requests: Arc::new(Semaphore::new(limits.requests)),
            reads: Arc::new(Semaphore::new(limits.reads)),
        });
        let shares = listeners.metrics.is_none();
        let metrics = metrics_routes(&api);
        let mut own = own_routes(&api).merge(guarded(routes, &api));
        if shares && self.config.metrics.is_some() {
            own = own.merge(metrics.clone());
        }
        let mut sites = Vec::new();
        sites.extend(listeners.api.map(|listener| (listener, finished(own, &self.config))));
        sites.extend(listeners.metrics.map(|listener| (listener, finished(metrics, &self.config))));
        match HttpThread::start(sites, queue, limits, vital) {
            Ok(thread) => world.insert_resource(thread),
            Err(error) => {
                let help = open_files::remedy(&error);
                EndReason::end(world, format!("HTTP has no thread: {error}{help}"));
            }
        }
    }
}

/// Binds the configured addresses, equal ones once.
fn bind(config: &HttpConfig) -> Result<Listeners, String> {
    let bind = |address: SocketAddr, port_flag: &str| -> Result<TcpListener, String> {
        let listen = || -> io::Result<TcpListener> {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        listen().map_err(|error| {
            let help = failure::of_binding(&error, port_flag);
            format!("cannot listen on {address}: {error}{help}")
        })
    };
    // Two listeners with port 0 get different ports.
    let shares =
        config.metrics.is_some_and(|metrics| metrics.port() != 0) && config.metrics == config.api;
    Ok(Listeners {
        api: config.api.map(|address| bind(address, "--api-port")).transpose()?,
        metrics: config
            .metrics
            .filter(|_| !shares)
            .map(|address| bind(address, "--metrics-port"))
            .transpose()?,
    })
}

/// The API's own routes with their limits.
fn own_routes(api: &Api) -> Router {
    let document = document::begin(&api.node.version);
    let (routes, document) =
        OpenApiRouter::with_openapi(document).merge(api::routes(api)).split_for_parts();
    // Metrics are in this description, on whichever port they are served.
    let document = document.merge_from(api::metrics_routes(api).into_openapi());
    let text = serde_json::to_vec(&document).expect("a description is JSON");
    let _ = api.document.set(text.into());
    limited(routes, api)
}

/// The metrics' routes with their limits.
fn metrics_routes(api: &Api) -> Router {
    limited(api::metrics_routes(api).split_for_parts().0, api)
}

fn limited(routes: Router<Api>, api: &Api) -> Router {
    routes
        .layer(middleware::from_fn_with_state(api.clone(), guards::limit))
        .layer(axum::extract::DefaultBodyLimit::max(api.config.limits.body_bytes))
        .with_state(api.clone())
}

/// The layers around all routes of a listener.
fn finished(routes: Router, config: &HttpConfig) -> Router {
    routes
        .fallback(guards::not_found)
        .method_not_allowed_fallback(guards::no_such_method)
        .layer(middleware::from_fn(guards::refuse_codings))
        .layer(CatchPanicLayer::custom(guards::panicked))
        .layer(cors(&config.cors_origins))
}

/// Allows pages of these origins to read the answers.
fn cors(origins: &[String]) -> CorsLayer {
    let layer = CorsLayer::new();
    if origins.is_empty() {
        return layer;
    }
    let layer = layer.allow_methods(Any).allow_headers(Any);
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let origins: Vec<_> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    layer.allow_origin(origins)
}
