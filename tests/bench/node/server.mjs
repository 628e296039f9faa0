/** rpc-websockets as its users write it: an echo on a free port, which is said on stdout. */

import { Server } from 'rpc-websockets';

const server = new Server({ host: '127.0.0.1', port: 0 });
server.register('echo', (params) => params);
server.on('listening', () => console.log(server.wss.address().port));
