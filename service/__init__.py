"""The online service: scores a query's candidates over HTTP, inside a latency budget.

The start
  __main__.py, start.py, serving.py   settings → bundle checked → backend warmed → port opened → ready
  group/                 several replicas behind one port: who starts them, and hands them their connections
  signals.py             what ends it, from its first line on               draining_server.py   how it ends
  app.py                 the stages of a request around a loaded engine     engine.py      the bundle, opened and warm
  environment.py         what libraries must not read of the environment, before they are imported
  settings.py            every setting; redis_url.py: what an address may look like; service_links.py: what are none
  address.py, cores.py, open_files.py   where it can listen, on which cores, with how many connections
  sessions.py            how a graph is opened                              autotune/      how many sessions and threads
A request comes
  connection.py          how long a client may take to send                 middleware.py  arrival, id, access line
  gathered_writes.py     a reply's head and body in one call
  shortcut.py            past FastAPI's layers                              routes/        one file a route
  rerank/                the dialects of other servers                      api_keys.py    who may score
  lifecycle.py           whether requests are taken, and how many are not yet answered
  reading.py             from bytes to a body; candidate_cache.py: known candidates by their bytes
  schemas.py             what may come in, what goes out; validation.py, excess.py: what is wrong, or too much
  request.py             a body as the stages know it                       errors.py      how a request can fail
Its stages
  scorer.py              the request, whole                                 admission.py   the door
  predicted_cost.py      what texts will cost; engine_speed.py, late_margin.py, decaying_ratio.py: when it will be done
  tokenization.py        texts to token ids                                 caches.py      what is remembered of both
  reply.py               from logits to the reply                           pair.py, job.py, source.py   what passes
The engine
  batcher.py             the one loop                                       backend.py     runs the model in threads
  batch_queue.py         which pairs run next, by fair_clock.py (pure)      windows.py     in which order a request's go
  entry.py               what waits there                                   pair_reuse.py  no pair is computed twice
  inference_threads.py   those threads, and runs that take too long         lone.py        a session for what is alone
  cross_encoder.py       query and product in one row; row_groups.py: which rows share a run
  split/                 a split student                                    gpu/           what differs on a GPU
Records of products
  product_store.py       where one is looked for; product_tiers.py: the tiers; segmented_lru.py: bounded memory
  catalogue_reload.py    another catalogue takes over
  redis_tier.py          what replicas share; redis_client.py, circuit_breaker.py, write_behind.py: at no request's cost
What is told
  health.py              the probes                                         logs.py        JSON lines
  metrics.py             /metrics; watching.py, latency_window.py: what is; exposition.py: its two texts
  histograms.py          those that the event loop fills
  served.py              what is told of an ended request                   tracing.py     its spans
  openapi.py             what FastAPI cannot see of the bodies
"""
