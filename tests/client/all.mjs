/* Every test of the client in one program, so that each is a line of TAP. */

import './file.mjs';
import './parser.mjs';
import './stream.mjs';
import './sharing.mjs';
