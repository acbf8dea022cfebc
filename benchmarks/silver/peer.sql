-- The logic of silver.events, silver.sessions and silver.player_days for the benchmark's bronze: every row is good,
-- has its sent_ts and a day without neighbours, prices are in US dollars, and nobody is excluded.
CREATE TEMP TABLE deliveries AS
-- As plain timestamps: a time zone takes an extension, and all of them are UTC.
SELECT * REPLACE (lower(event_id) AS event_id, make_timestamp(epoch_us(event_ts)) AS event_ts)
FROM read_parquet(getvariable('bronze'))
WHERE error_type IS NULL;

CREATE TEMP TABLE events AS
SELECT event_id, event_name, event_version, event_ts, created_ts, sent_ts, received_ts, event_date, game_id,
       coalesce(player_id, device_id) AS player_id, player_id AS sent_player_id, device_id, session_id, platform,
       build_version, country, environment, properties, source, clock_corrected
FROM deliveries
QUALIFY row_number() OVER (
    PARTITION BY game_id, event_id ORDER BY received_ts, kafka_topic, kafka_partition, kafka_offset
) = 1;

COPY events TO (getvariable('target') || '/events') (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (game_id));

CREATE TEMP TABLE sessions AS
WITH marked AS (
    SELECT game_id, player_id, device_id, event_ts, event_id, platform, build_version, country,
           coalesce(event_ts - lag(event_ts) OVER device > INTERVAL 30 MINUTE, true)::INT AS is_start
    FROM events
    WHERE event_name <> 'refund' AND coalesce(platform, '') <> 'server'
    WINDOW device AS (PARTITION BY game_id, player_id, device_id ORDER BY event_ts, event_id)
), numbered AS (
    SELECT *, sum(is_start) OVER (
        PARTITION BY game_id, player_id, device_id ORDER BY event_ts, event_id ROWS UNBOUNDED PRECEDING
    ) AS number
    FROM marked
)
SELECT game_id, player_id, device_id, min(event_ts) AS started_ts, max(event_ts) AS ended_ts, count(*) AS event_count,
       epoch_us(max(event_ts)) - epoch_us(min(event_ts)) AS micros,
       arg_max(platform, (event_ts, event_id)) FILTER (platform IS NOT NULL) AS platform,
       arg_max(build_version, (event_ts, event_id)) FILTER (build_version IS NOT NULL) AS build_version,
       arg_max(country, (event_ts, event_id)) FILTER (country IS NOT NULL) AS country
FROM numbered
GROUP BY game_id, player_id, device_id, number;

COPY sessions TO (getvariable('target') || '/sessions') (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (game_id));

CREATE TEMP TABLE player_days AS
WITH money AS (
    SELECT event_date, game_id, player_id, event_name, event_ts, event_id,
           properties ->> 'transaction_id' AS transaction_id,
           (properties ->> 'price_minor')::DECIMAL(14, 0) * 0.01 AS price,
           (properties ->> 'revenue_micros')::DECIMAL(14, 0) * 0.000001 AS revenue
    FROM events
    WHERE event_name IN ('purchase', 'ad_impression')
), counted AS (
    SELECT * FROM money
    QUALIFY event_name = 'ad_impression' OR row_number() OVER (
        PARTITION BY game_id, event_name, transaction_id ORDER BY event_ts, event_id
    ) = 1
), spent AS (
    SELECT event_date, game_id, player_id, count(*) FILTER (event_name = 'purchase') AS purchase_count,
           sum(price) AS iap_revenue, sum(revenue) AS ad_revenue
    FROM counted
    GROUP BY ALL
), active AS (
    SELECT event_date, game_id, player_id, count(*) AS event_count,
           count(*) FILTER (event_name = 'ad_impression') AS ad_impressions,
           count(*) FILTER (event_name = 'level_completed') AS levels_completed,
           count(*) FILTER (event_name = 'level_failed') AS levels_failed,
           max(struct_pack(event_ts, event_id, platform, country, build_version)) AS last_values
    FROM events
    GROUP BY ALL
), played AS (
    SELECT started_ts::DATE AS event_date, game_id, player_id, count(*) AS session_count, sum(micros) AS micros
    FROM sessions
    GROUP BY ALL
)
SELECT active.event_date, game_id, player_id, coalesce(session_count, 0) AS session_count,
       coalesce(micros, 0) / 1e6 AS playtime_seconds, event_count, ad_impressions, levels_completed, levels_failed,
       coalesce(purchase_count, 0) AS purchase_count,
       coalesce(iap_revenue, 0)::DECIMAL(18, 6) AS iap_revenue, coalesce(ad_revenue, 0)::DECIMAL(18, 6) AS ad_revenue,
       last_values.platform, last_values.country, last_values.build_version
FROM active
LEFT JOIN played USING (event_date, game_id, player_id)
LEFT JOIN spent USING (event_date, game_id, player_id);

COPY player_days TO (getvariable('target') || '/player_days') (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (game_id));
