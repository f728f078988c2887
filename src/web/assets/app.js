// Makes pages live. Every page works without this; nothing here decides anything.
import { start as alerts } from "./alert.js";
import { start as live } from "./live.js";
import { start as keys } from "./keys.js";
import { enhance as players } from "./player.js";
import { enhance as pieces } from "./pieces.js";
import { watch } from "./watch.js";

pieces(document);
players(document);
keys();
alerts();
live();
watch();
