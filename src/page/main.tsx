import { render } from 'preact';
import { App } from './app.tsx';
import { startConversations } from './state/conversations.ts';
import { startServerWatch } from './state/server.ts';
import './styles/tokens.css';
import './styles/controls.css';
import './styles/layout.css';
import './styles/exchange.css';
import './styles/composer.css';

startConversations();
startServerWatch();
const root = document.getElementById('app');
if (root !== null) render(<App />, root);
