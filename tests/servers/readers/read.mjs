// Reads the three feeds of a network with the bindings and with the package `gtfs`, and prints what they found.
//   node read.mjs http://127.0.0.1:8000/gtfs-rt/halcyon
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import bindings from 'gtfs-realtime-bindings';
import { getServiceAlerts, getStopTimeUpdates, getTripUpdates, getVehiclePositions, importGtfs, openDb, updateGtfsRealtime } from 'gtfs';

const base = process.argv[2];
const kinds = ['vehicle_positions', 'trip_updates', 'alerts'];
const read = {};
for (const kind of kinds) {
  const answer = await fetch(`${base}/${kind}.pb`);
  const { FeedMessage } = bindings.transit_realtime;
  const feed = FeedMessage.decode(new Uint8Array(await answer.arrayBuffer()));
  const problem = FeedMessage.verify(feed);
  if (problem) throw new Error(`${kind}: ${problem}`);
  read[kind] = FeedMessage.toObject(feed, { longs: Number, enums: String });
}

// The package wants a timetable before it takes what is live: the least that it accepts.
const folder = mkdtempSync(join(tmpdir(), 'readers-'));
const tables = {
  agency: 'agency_id,agency_name,agency_url,agency_timezone\nx,X,http://example.org,Atlantic/Azores',
  routes: 'route_id,agency_id,route_short_name,route_type\nM1,x,M1,1',
  stops: 'stop_id,stop_name,stop_lat,stop_lon\na,A,36.2,-33.4\nb,B,36.3,-33.4',
  trips: 'trip_id,route_id,service_id\nt,M1,s',
  stop_times: 'trip_id,arrival_time,departure_time,stop_id,stop_sequence\nt,08:00:00,08:00:00,a,1\nt,09:00:00,09:00:00,b,2',
  calendar: 'service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\ns,1,1,1,1,1,1,1,20260101,20351231',
};
for (const [name, text] of Object.entries(tables)) writeFileSync(join(folder, `${name}.txt`), `${text}\n`);
const sqlitePath = join(folder, 'gtfs.sqlite');
const db = openDb({ sqlitePath });
const agency = {
  path: folder,
  realtimeVehiclePositions: { url: `${base}/vehicle_positions.pb` },
  realtimeTripUpdates: { url: `${base}/trip_updates.pb` },
  realtimeAlerts: { url: `${base}/alerts.pb` },
};
const config = { agencies: [agency], db, sqlitePath, logLevel: 'error', ignoreErrors: false };
await importGtfs(config);
await updateGtfsRealtime(config);
const stored = {
  vehicles: getVehiclePositions(),
  trips: getTripUpdates(),
  calls: getStopTimeUpdates(),
  alerts: getServiceAlerts(),
};
console.log(JSON.stringify({ read, stored }));
